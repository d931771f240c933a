"""What a model file may take from torch itself: functions on tensors, number types and constants.

Left out are torch's doors to files, processes, threads, compilers and other modules, its process-wide
switches, and the kernels of single backends (torch 2.13's public names, by hand).
"""

from __future__ import annotations

from evoarch.sandbox.words import words

TORCH_NAMES = words(
    """
    BoolTensor FloatTensor IntTensor LongTensor Size Tensor abs absolute acos acosh
    adaptive_avg_pool1d adaptive_max_pool1d add addbmm addcdiv addcmul addmm addmv addr adjoint
    affine_grid_generator all allclose alpha_dropout amax amin aminmax angle any arange arccos
    arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere as_strided
    as_strided_scatter as_tensor asin asinh atan atan2 atanh atleast_1d atleast_2d atleast_3d
    avg_pool1d baddbmm bartlett_window batch_norm bernoulli bfloat16 bilinear
    binary_cross_entropy_with_logits bincount binomial bitwise_and bitwise_left_shift bitwise_not
    bitwise_or bitwise_right_shift bitwise_xor blackman_window block_diag bmm bool broadcast_shapes
    broadcast_tensors broadcast_to bucketize can_cast cartesian_prod cat cdist cdouble ceil celu
    cfloat chain_matmul channel_shuffle channels_last cholesky cholesky_inverse cholesky_solve chunk
    clamp clamp_max clamp_min clip clone column_stack combinations complex complex128 complex64
    concat concatenate conj conj_physical constant_pad_nd contiguous_format conv1d conv2d conv3d
    conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d copysign corrcoef cos cosh
    cosine_embedding_loss cosine_similarity count_nonzero cov cross ctc_loss cummax cummin cumprod
    cumsum cumulative_trapezoid deg2rad det detach device diag diag_embed diagflat diagonal
    diagonal_scatter diff digamma dist div divide dot double dropout dsplit dstack dtype e einsum
    embedding embedding_bag empty empty_like empty_strided enable_grad eq equal erf erfc erfinv exp
    exp2 expm1 eye feature_alpha_dropout feature_dropout fill finfo fix flatten flip fliplr flipud
    float float16 float32 float64 float_power floor floor_divide fmax fmin fmod frac frexp
    frobenius_norm full full_like gather gcd ge geqrf ger gradient greater greater_equal
    grid_sampler grid_sampler_2d grid_sampler_3d group_norm gru gru_cell gt half hamming_window
    hann_window hardshrink heaviside hinge_embedding_loss histc histogram histogramdd hsplit hstack
    hypot i0 igamma igammac iinfo imag index_add index_fill index_put index_reduce index_select inf
    inference_mode inner instance_norm int int16 int32 int64 int8 inverse is_complex is_conj
    is_floating_point is_grad_enabled is_inference is_neg is_nonzero is_same_size is_signed
    is_tensor isclose isfinite isin isinf isnan isneginf isposinf isreal istft kaiser_window kl_div
    kron kthvalue layer_norm layout lcm ldexp le lerp less less_equal lgamma linspace lobpcg log
    log10 log1p log2 log_softmax logaddexp logaddexp2 logcumsumexp logdet logical_and logical_not
    logical_or logical_xor logit logspace logsumexp long lstm lstm_cell lt lu_solve lu_unpack
    margin_ranking_loss masked_fill masked_scatter masked_select matmul matrix_exp matrix_power max
    max_pool1d max_pool1d_with_indices max_pool2d max_pool3d maximum mean median memory_format
    meshgrid min minimum mm mode moveaxis movedim msort mul multinomial multiply mv mvlgamma nan
    nan_to_num nanmean nanmedian nanquantile nansum narrow ne neg negative newaxis nextafter no_grad
    nonzero norm normal not_equal nuclear_norm numel ones ones_like orgqr ormqr outer
    pairwise_distance pca_lowrank pdist permute pi pinverse pixel_shuffle pixel_unshuffle poisson
    poisson_nll_loss polar polygamma positive pow prelu preserve_format prod promote_types put qr
    quantile rad2deg rand rand_like randint randint_like randn randn_like randperm range ravel real
    reciprocal relu remainder renorm repeat_interleave reshape resolve_conj resolve_neg result_type
    rms_norm rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell roll rot90 round row_stack rrelu rsqrt
    scalar_tensor scatter scatter_add scatter_reduce searchsorted segment_reduce select
    select_scatter selu sgn short sigmoid sign signbit sin sinc sinh slice_scatter slogdet softmax
    sort split split_with_sizes spmm sqrt square squeeze stack std std_mean stft strided sub
    subtract sum svd svd_lowrank swapaxes swapdims t take take_along_dim tan tanh tensor
    tensor_split tensordot threshold tile topk trace transpose trapezoid trapz triangular_solve tril
    tril_indices triplet_margin_loss triu triu_indices true_divide trunc uint8 unbind unflatten
    unique unique_consecutive unravel_index unsqueeze vander var var_mean vdot
    view_as_complex view_as_real vmap vsplit vstack where xlogy zeros zeros_like
    """
)

TORCH_PARTS = words("nn fft linalg special")
"""Modules of torch that are allowed with everything public below them."""

PART_DENIED = words(
    """
    DataParallel backends builtins copy copyreg cpp ctypes importlib inspect intrinsic io operator
    os parallel pickle qat quantizable quantized sys threading torch types typing_extensions
    warnings weakref
    """
)
"""Names below an allowed module that lead out of it again."""

NN_NAMES = words(
    """
    AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveLogSoftmaxWithLoss
    AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d AlphaDropout AvgPool1d AvgPool2d AvgPool3d
    BCELoss BCEWithLogitsLoss BatchNorm1d BatchNorm2d BatchNorm3d Bilinear Buffer CELU CTCLoss
    ChannelShuffle CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d
    ConstantPad3d Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
    CosineEmbeddingLoss CosineSimilarity CrossEntropyLoss CrossMapLRN2d Dropout Dropout1d Dropout2d
    Dropout3d ELU Embedding EmbeddingBag FeatureAlphaDropout Flatten Fold FractionalMaxPool2d
    FractionalMaxPool3d GELU GLU GRU GRUCell GaussianNLLLoss GroupNorm Hardshrink Hardsigmoid
    Hardswish Hardtanh HingeEmbeddingLoss HuberLoss Identity InstanceNorm1d InstanceNorm2d
    InstanceNorm3d KLDivLoss L1Loss LPPool1d LPPool2d LPPool3d LSTM LSTMCell LayerNorm
    LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyConv1d LazyConv2d LazyConv3d
    LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d LazyInstanceNorm1d
    LazyInstanceNorm2d LazyInstanceNorm3d LazyLinear LeakyReLU Linear LinearCrossEntropyLoss
    LinearCrossEntropyOptions LocalResponseNorm LogSigmoid LogSoftmax MSELoss MarginRankingLoss
    MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d Mish Module ModuleDict
    ModuleList MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss MultiheadAttention
    NLLLoss NLLLoss2d PReLU PairwiseDistance Parameter ParameterDict ParameterList PixelShuffle
    PixelUnshuffle PoissonNLLLoss RMSNorm RNN RNNBase RNNCell RNNCellBase RReLU ReLU ReLU6
    ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d
    ReplicationPad3d SELU Sequential SiLU Sigmoid SmoothL1Loss SoftMarginLoss Softmax Softmax2d
    Softmin Softplus Softshrink Softsign SyncBatchNorm Tanh Tanhshrink Threshold Transformer
    TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer
    TripletMarginLoss TripletMarginWithDistanceLoss Unflatten Unfold UninitializedBuffer
    UninitializedParameter Upsample UpsamplingBilinear2d UpsamplingNearest2d ZeroPad1d ZeroPad2d
    ZeroPad3d attention common_types functional grad init modules parameter utils
    """
)
"""What torch.nn has."""

FUNCTIONAL_NAMES = words(
    """
    ScalingType SwizzleType adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
    adaptive_max_pool1d adaptive_max_pool1d_with_indices adaptive_max_pool2d
    adaptive_max_pool2d_with_indices adaptive_max_pool3d adaptive_max_pool3d_with_indices
    affine_grid alpha_dropout avg_pool1d avg_pool2d avg_pool3d batch_norm bilinear
    binary_cross_entropy binary_cross_entropy_with_logits celu celu_ channel_shuffle conv1d conv2d
    conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d cosine_embedding_loss
    cosine_similarity cross_entropy ctc_loss dropout dropout1d dropout2d dropout3d elu elu_
    embedding embedding_bag feature_alpha_dropout fold fractional_max_pool2d
    fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices
    gaussian_nll_loss gelu glu grid_sample group_norm grouped_mm gumbel_softmax hardshrink
    hardsigmoid hardswish hardtanh hardtanh_ hinge_embedding_loss huber_loss instance_norm
    interpolate kl_div l1_loss layer_norm leaky_relu leaky_relu_ linear linear_cross_entropy
    local_response_norm log_softmax logsigmoid lp_pool1d lp_pool2d lp_pool3d margin_ranking_loss
    max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d
    max_pool3d_with_indices max_unpool1d max_unpool2d max_unpool3d mish mse_loss
    multi_head_attention_forward multi_margin_loss multilabel_margin_loss
    multilabel_soft_margin_loss native_channel_shuffle nll_loss normalize one_hot pad
    pairwise_distance pdist pixel_shuffle pixel_unshuffle poisson_nll_loss prelu relu relu6 relu_
    rms_norm rrelu rrelu_ scaled_dot_product_attention scaled_grouped_mm scaled_mm selu selu_
    sigmoid silu smooth_l1_loss soft_margin_loss softmax softmin softplus softshrink softsign tanh
    tanhshrink threshold threshold_ triplet_margin_loss triplet_margin_with_distance_loss unfold
    upsample upsample_bilinear upsample_nearest
    """
)
"""What torch.nn.functional has."""
