"use strict";
// Makes a readout of the titles that the stops of each plot carry. Without it, browsers show the titles themselves.
for (const plot of document.querySelectorAll(".plot")) {
  const readout = plot.appendChild(document.createElement("output"));
  readout.className = "readout";
  readout.hidden = true;
  for (const svg of plot.querySelectorAll("svg")) {
    const lines = svg.dataset.lines.split("|");
    const stops = [...svg.querySelectorAll(".stop")].map(stop => {
      const title = stop.querySelector("title");
      const [heading, ...rows] = title.textContent.split("\n");
      title.remove();
      const y = stop.dataset.y.split("|");
      return { x: Number(stop.dataset.x), heading, rows: rows.map((text, i) => ({ text, y: y[i], line: lines[i] })) };
    });
    if (!stops.length) continue;
    const make = (name, attributes) => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const key in attributes) node.setAttribute(key, attributes[key]);
      return node;
    };
    const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
    const marks = svg.appendChild(make("g", {}));
    let current = -1;

    const hide = () => {
      current = -1;
      marks.replaceChildren();
      readout.hidden = true;
    };
    const row = ({ text, line }) => {
      const span = document.createElement("span");
      const cut = text.lastIndexOf(": ");
      span.append(Object.assign(document.createElement("i"), { className: line }));
      span.append(Object.assign(document.createElement("em"), { textContent: text.slice(0, cut) }));
      span.append(text.slice(cut + 2));
      return span;
    };
    const show = index => {
      if (index === current) return;
      current = index;
      const { x, heading, rows } = stops[index];
      const guide = make("line", { class: "guide", x1: x, x2: x, y1: 14, y2: height - 34 });
      const points = rows.filter(({ y }) => y).map(({ y, line }) => {
        const group = make("g", { class: line });
        group.append(make("circle", { class: "point", cx: x, cy: y, r: 4 }));
        return group;
      });
      marks.replaceChildren(guide, ...points);
      const title = Object.assign(document.createElement("b"), { textContent: heading });
      readout.replaceChildren(title, ...rows.map(row));
      readout.hidden = false;
      const scale = svg.clientWidth / width;
      const room = plot.clientWidth - readout.offsetWidth;
      const right = x * scale + 14;
      const left = right <= room ? right : x * scale - readout.offsetWidth - 14;
      readout.style.transform = `translate(${Math.max(0, Math.min(room, left))}px, 10px)`;
    };
    const nearest = event => {
      const x = (event.clientX - svg.getBoundingClientRect().left) * width / svg.clientWidth;
      let best = 0;
      stops.forEach((stop, i) => { if (Math.abs(stop.x - x) < Math.abs(stops[best].x - x)) best = i; });
      show(best);
    };
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -stops.length, End: stops.length };
    svg.tabIndex = 0;
    svg.addEventListener("pointermove", nearest);
    svg.addEventListener("pointerdown", nearest);
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", event => {
      if (event.key === "Escape") return hide();
      if (!(event.key in steps)) return;
      event.preventDefault();
      show(Math.max(0, Math.min(stops.length - 1, current + steps[event.key])));
    });
  }
}
document.documentElement.dataset.readout = "ready";
