const STYLE = `
body { font: 14px/1.45 system-ui, sans-serif; color: #111827; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; margin: 0; font-family: ui-monospace, monospace; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15rem .9rem .15rem 0; vertical-align: top; font-weight: normal; }
th { color: #6b7280; } section { border-top: 1px solid #e5e7eb; padding: .8rem 0; } .plots { display: flex; flex-wrap: wrap; gap: 1rem; }
p, li { margin: .2rem 0; } .dim { color: #6b7280; }
@media print { section { break-inside: avoid; } }`;

/** What a report says as a page. Texts are escaped here, sections are HTML already. */
export interface PageParts {
  readonly title: string;
  readonly heading: string;
  /** A word, then what it is. */
  readonly lines: readonly (readonly [word: string, text: string])[];
  readonly notes: readonly string[];
  readonly sections: readonly string[];
}

/** One page of HTML that needs nothing beside itself: no script, no style and no picture of elsewhere. */
export function htmlPage({ title, heading, lines, notes, sections }: PageParts): string {
  const head = lines.map(([word, text]) => `<tr><th>${escaped(word)}</th><td>${escaped(text)}</td></tr>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escaped(heading)}</h1>
<table>${head.join('')}</table>
<ul>${notes.map((note) => `<li>${escaped(note)}</li>`).join('')}</ul>
${sections.join('\n')}
</body>
</html>
`;
}

/** A table of a page; its cells are texts. */
export function htmlTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (tag: 'th' | 'td', cells: readonly string[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${line('th', head)}${rows.map((row) => line('td', row)).join('')}</table>`;
}

/** A text as HTML. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
