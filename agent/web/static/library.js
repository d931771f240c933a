// A vendored library, loaded when a page first needs it.

const FILES = { echarts: "echarts.min.js", uPlot: "uPlot.iife.min.js" };

export function library(name) {
  if (globalThis[name]) return Promise.resolve(globalThis[name]);
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(`vendor/${FILES[name]}`, import.meta.url).href;
    script.onload = () => resolve(globalThis[name]);
    script.onerror = () => reject(new Error(`${script.src} could not be loaded`));
    document.head.append(script);
  });
}
