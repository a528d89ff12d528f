import { hash } from 'node:crypto';

/** The look of all pages: light and dark, on a phone and printed. Colours have a contrast of 4.5 at least. */
export const STYLE = `
:root { color-scheme: light dark; --text: #16202c; --dim: #55606e; --back: #fff; --soft: #f3f5f8; --line: #d5dbe3; --link: #0b57b0; --ink: #1f6fb2; --warn: #a13a00; --bad: #b0122b; --good: #1b6b39; }
@media (prefers-color-scheme: dark) { :root { --text: #e6ebf1; --dim: #a3afbd; --back: #12171d; --soft: #1b222b; --line: #354150; --link: #86bdf7; --ink: #6fb3ea; --warn: #f4a261; --bad: #ff8f9c; --good: #7fd19b; } }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); }
a { color: var(--link); } a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
main:focus { outline: none; }
.skip { position: absolute; left: -100rem; } .skip:focus { left: .5rem; top: .5rem; background: var(--back); padding: .3rem .6rem; z-index: 1; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
body > header { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem 1.2rem; padding: .6rem 1.2rem; border-bottom: 1px solid var(--line); background: var(--soft); }
body > header p { margin: 0; } .brand a { font-weight: 700; color: var(--text); text-decoration: none; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1rem; list-style: none; margin: 0; padding: 0; } nav a { display: inline-block; padding: .2rem 0; } nav a[aria-current] { color: var(--text); font-weight: 600; }
form { display: flex; flex-wrap: wrap; gap: .4rem; align-items: end; margin: 0; } body > header form[role] { margin-left: auto; }
input, select, button { font: inherit; padding: .25rem .5rem; border: 1px solid var(--dim); border-radius: .25rem; color: var(--text); background: var(--back); max-width: 100%; } button { cursor: pointer; }
label { display: block; color: var(--dim); }
main { max-width: 76rem; margin: 0 auto; padding: .8rem 1.2rem 2rem; } footer { max-width: 76rem; margin: 0 auto; padding: 0 1.2rem 2rem; color: var(--dim); }
h1 { font-size: 1.5rem; margin: .4rem 0; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; } p { margin: .3rem 0; max-width: 52rem; }
h2.title { font-size: 1.4rem; border-top: 2px solid var(--line); padding-top: 1rem; }
.dim, .note { color: var(--dim); } .note { font-size: .87rem; } .warn { color: var(--warn); } .bad { color: var(--bad); } .good { color: var(--good); }
code, pre, .mono { font-family: ui-monospace, monospace; font-size: .9em; } code { overflow-wrap: anywhere; } pre { background: var(--soft); border: 1px solid var(--line); border-radius: .25rem; padding: .6rem; margin: .3rem 0; overflow-x: auto; }
.scroll { overflow-x: auto; margin: .3rem 0; } table { border-collapse: collapse; min-width: 20rem; } caption { text-align: left; color: var(--dim); font-size: .87rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid var(--line); overflow-wrap: break-word; max-width: 32rem; } thead th { color: var(--dim); font-weight: 600; } tbody th { font-weight: 400; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1.2rem; margin: .4rem 0; } dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .8rem; margin: .6rem 0; padding: 0; list-style: none; } .tiles li { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .8rem; background: var(--soft); } .tiles b { display: block; font-size: 1.5rem; }
.plots { display: flex; flex-wrap: wrap; gap: .8rem 1.6rem; } .small { display: grid; grid-template-columns: repeat(auto-fill, minmax(13.5rem, 1fr)); gap: .6rem 1.2rem; } figure { margin: .4rem 0; max-width: 100%; } figcaption { font-size: .87rem; color: var(--dim); } svg { max-width: 100%; height: auto; display: block; }
svg text { fill: var(--text); font: 11px system-ui, sans-serif; } svg .dim { fill: var(--dim); } svg .axis { stroke: var(--line); fill: none; } svg .ink { stroke: var(--ink); fill: none; stroke-width: 1.5; } svg .fill { fill: var(--ink); stroke: none; } svg .band { fill: var(--ink); stroke: none; opacity: .28; } svg .outline { stroke: var(--text); fill: none; stroke-width: 1.5; } svg .before { stroke: var(--dim); fill: none; stroke-dasharray: 3 3; } svg .edge { stroke: var(--dim); fill: none; opacity: .6; } svg .node { fill: var(--soft); stroke: var(--dim); } svg .here { stroke: var(--link); stroke-width: 2.5; } svg a:focus-visible .node { stroke: var(--link); stroke-width: 3; }
ul.tags { display: flex; flex-wrap: wrap; gap: .3rem; list-style: none; padding: 0; margin: .3rem 0; } ul.tags li { border: 1px solid var(--line); border-radius: 1rem; padding: 0 .6rem; background: var(--soft); font-size: .87rem; }
@media (max-width: 40rem) { body > header form[role] { margin-left: 0; width: 100%; } dl { grid-template-columns: minmax(0, 1fr); } dd { margin-bottom: .3rem; } main { padding: .6rem .8rem 2rem; } }
@media print {
:root { color-scheme: light; --text: #000; --dim: #444; --back: #fff; --soft: #f3f5f8; --line: #bbb; --link: #000; --ink: #1f6fb2; --warn: #a13a00; --bad: #b0122b; --good: #1b6b39; }
@page { margin: 15mm 12mm; }
body { font-size: 10pt; } main { max-width: none; padding: 0; } body > header, footer, .skip, nav[aria-label^="Pages"] { display: none; } a { text-decoration: none; }
figure, tr, .tiles li, dl { break-inside: avoid; } h1, h2, h3, caption { break-after: avoid; } thead { display: table-header-group; } p { orphans: 3; widows: 3; }
section.page { break-before: page; } h2.title { border-top: 0; padding-top: 0; } .scroll { overflow: visible; } table { width: 100%; } td.n, th.n { white-space: normal; } pre { white-space: pre-wrap; }
}
`;

/** By its hash: it can be kept for ever. */
export const STYLE_PATH: string = `/console/style-${hash('sha256', STYLE, 'hex').slice(0, 16)}.css`;
