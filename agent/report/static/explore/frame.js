// A frame that is drawn over a chart with the pointer, told in the axes' units.

const LEAST = 4; // pixels: what is shorter is a click

// `tell([[left, right], [low, high]])` after each frame; a returned function takes the frame away.
export function frames(place, chart, tell) {
  const box = document.createElement("div");
  box.className = "frame";
  box.hidden = true;
  place.append(box);
  let begin = null;
  let end = null;

  const at = (event) => {
    const around = place.getBoundingClientRect();
    return [event.clientX - around.left, event.clientY - around.top];
  };
  const show = () => {
    const [[x1, y1], [x2, y2]] = [begin, end];
    box.hidden = false;
    box.style.left = `${Math.min(x1, x2)}px`;
    box.style.top = `${Math.min(y1, y2)}px`;
    box.style.width = `${Math.abs(x2 - x1)}px`;
    box.style.height = `${Math.abs(y2 - y1)}px`;
  };
  const long = () => end && Math.hypot(end[0] - begin[0], end[1] - begin[1]) >= LEAST;

  place.addEventListener("pointerdown", (event) => {
    const spot = at(event);
    if (event.button === 0 && chart.containPixel({ gridIndex: 0 }, spot)) [begin, end] = [spot, null];
  });
  place.addEventListener("pointermove", (event) => {
    if (!begin) return;
    end = at(event);
    if (long()) show();
  });
  window.addEventListener("pointerup", () => {
    if (begin && long()) {
      const [from, to] = [begin, end].map((spot) => chart.convertFromPixel({ gridIndex: 0 }, spot));
      tell([0, 1].map((axis) => [Math.min(from[axis], to[axis]), Math.max(from[axis], to[axis])]));
    }
    begin = null;
  });
  return () => {
    box.hidden = true;
  };
}
