// Opens a page of `ringload report` in Chromium and looks at it: see scripts/check-page.
// node check_page.cjs PAGE FOLDER
const { chromium } = require("playwright-core");
const path = require("node:path");

const [page, folder] = process.argv.slice(2);
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const SCREENS = { desk: { width: 1200, height: 900 }, phone: { width: 390, height: 844 } };
// What the page of three runs, two of them over time in an open loop, and one summary has to show.
const DRAWINGS = 5;
const SECTIONS = ["Latency by percentile", "Latency in numbers", "Response time over time", "Throughput over time",
  "Requests", "CPU per request", "Provenance"];

let failures = 0;
const check = (what, holds, found) => {
  console.log(`${holds ? "ok  " : "FAIL"} ${what}${holds ? "" : `: ${found}`}`);
  if (!holds) failures += 1;
};

// What can be seen: drawings with lines inside their frames, headings, tables, and colours that can be told apart.
const look = () => {
  const isShown = element => element.getClientRects().length > 0;
  const drawings = [...document.querySelectorAll(".plot svg")].filter(isShown);
  const luminance = colour => {
    const parts = colour.match(/[\d.]+/g).slice(0, 3).map(Number).map(value => value / 255)
      .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const paper = getComputedStyle(document.body).backgroundColor;
  const texts = [...document.querySelectorAll("p, th, td, dt, dd, summary, h1, h2, h3, small, li")].filter(isShown);
  const lines = drawings.flatMap(svg => [...svg.querySelectorAll("path.line")]);
  return {
    title: document.title,
    scripts: document.scripts.length,
    images: document.images.length,
    headings: [...document.querySelectorAll("h2")].map(heading => heading.textContent),
    drawings: drawings.length,
    empty: drawings.filter(svg => ![...svg.querySelectorAll("path.line")].some(line => line.getTotalLength() > 20)).length,
    strays: drawings.flatMap(svg => {
      const frame = svg.getBoundingClientRect();
      return [...svg.querySelectorAll(".line, .mark")].map(node => node.getBoundingClientRect())
        .filter(box => box.left < frame.left - 2 || box.right > frame.right + 4 || box.top < frame.top - 2 || box.bottom > frame.bottom + 2);
    }).length,
    unnamed: drawings.filter(svg => !svg.getAttribute("aria-label")).length,
    tables: [...document.querySelectorAll("figure")].filter(figure => figure.querySelector("details table tbody tr")).length,
    figures: document.querySelectorAll("figure").length,
    overflow: document.documentElement.scrollWidth - innerWidth,
    isDark: luminance(paper) < 0.2,
    text: Math.min(...texts.map(text => contrast(getComputedStyle(text).color, paper))),
    line: Math.min(...lines.map(line => contrast(getComputedStyle(line).stroke, paper))),
  };
};

const inspect = (name, seen, scheme) => {
  check(`${name}: the title is text`, seen.title.startsWith("Load report </title><script>"), seen.title);
  check(`${name}: one script, no image`, seen.scripts === 1 && seen.images === 0, JSON.stringify([seen.scripts, seen.images]));
  check(`${name}: all sections`, SECTIONS.every(section => seen.headings.includes(section)), seen.headings);
  check(`${name}: ${DRAWINGS} drawings with lines`, seen.drawings === DRAWINGS && seen.empty === 0, `${seen.drawings}, ${seen.empty} empty`);
  check(`${name}: nothing drawn outside its frame`, seen.strays === 0, seen.strays);
  check(`${name}: every drawing is named and has a table`, seen.unnamed === 0 && seen.tables === seen.figures, `${seen.unnamed} unnamed, ${seen.tables} of ${seen.figures}`);
  check(`${name}: fits its screen`, seen.overflow <= 0, `${seen.overflow} pixels too wide`);
  check(`${name}: a ${scheme} page`, seen.isDark === (scheme === "dark"), seen.isDark);
  check(`${name}: text has a contrast of 4.5`, seen.text >= 4.5, seen.text);
  check(`${name}: lines have a contrast of 3`, seen.line >= 3, seen.line);
};

// The readout follows the pointer, goes by the arrow keys, and goes away.
const useReadout = async (name, tab) => {
  const drawing = tab.locator(".plot svg:visible").first();
  await drawing.scrollIntoViewIfNeeded();
  const box = await drawing.boundingBox();
  await tab.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  const readout = tab.locator(".readout:visible");
  const first = await readout.textContent();
  check(`${name}: the pointer reads values`, /%.*(µs|ms|s)/.test(first), first);
  await tab.screenshot({ path: path.join(folder, `${name}-readout.png`) });
  await drawing.focus();
  await tab.keyboard.press("ArrowRight");
  check(`${name}: the arrow keys go on`, await readout.textContent() !== first, first);
  await tab.keyboard.press("Escape");
  check(`${name}: Escape ends it`, await readout.count() === 0, "still there");
};

const open = async (browser, name, options) => {
  const context = await browser.newContext(options);
  const tab = await context.newPage();
  const complaints = [];
  const requests = [];
  tab.on("console", message => complaints.push(message.text()));
  tab.on("pageerror", error => complaints.push(error.message));
  tab.on("dialog", dialog => { complaints.push(dialog.message()); dialog.dismiss(); });
  context.on("request", request => requests.push(request.url()));
  await tab.goto(`file://${path.resolve(page)}`);
  const outside = () => requests.filter(url => !url.startsWith("file:") && url !== "data:,");
  return { context, tab, finish: async () => {
    check(`${name}: a quiet console`, complaints.length === 0, complaints.join("; "));
    check(`${name}: no request`, outside().length === 0, outside().join(" "));
    await context.close();
  } };
};

(async () => {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
  for (const colorScheme of ["light", "dark"]) {
    for (const [screen, viewport] of Object.entries(SCREENS)) {
      const name = `${screen}-${colorScheme}`;
      const { tab, finish } = await open(browser, name, { colorScheme, viewport });
      inspect(name, await tab.evaluate(look), colorScheme);
      await tab.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
      await useReadout(name, tab);
      await finish();
    }
  }
  const { tab, finish } = await open(browser, "without script", { javaScriptEnabled: false, viewport: SCREENS.desk });
  const titles = await tab.locator(".plot svg:visible .stop title").count();
  check("without script: browsers show the values themselves", titles > 50, titles);
  await finish();
  await browser.close();
  process.exit(failures === 0 ? 0 : 1);
})();
