// Colours of the style sheet, which follow the system's dark mode, for pictures on a canvas.

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Of groups, in the order of how many belong to them; further ones are grey.
export function palette(count) {
  const names = ["front", "good", "k", "bad", "fn", "com"];
  return Array.from({ length: count }, (_, place) => colour(names[place] || "other"));
}

export function axisStyle() {
  return {
    nameTextStyle: { color: colour("soft") },
    axisLabel: { color: colour("soft"), hideOverlap: true },
    axisLine: { lineStyle: { color: colour("soft") } },
    splitLine: { lineStyle: { color: colour("line") } },
  };
}

// Names may hold what ECharts' rich text takes for a style: braces are shown as brackets.
export function plain(text) {
  return String(text).replaceAll("{", "(").replaceAll("}", ")");
}

export function tooltipStyle() {
  // Rich text is drawn on the canvas; HTML would need inline styles, which the policy refuses.
  return {
    renderMode: "richText",
    backgroundColor: colour("panel"),
    borderColor: colour("line"),
    textStyle: { color: colour("text"), fontSize: 12, width: 320, overflow: "break" },
    confine: true,
  };
}
