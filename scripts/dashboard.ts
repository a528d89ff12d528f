import { type Panel, ROWS } from './dashboard-panels.ts';

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const;
const COLUMNS = 24;
const PANEL_HEIGHT = 8;

/** The text of `ops/dashboard.json`. */
export function dashboardJson(): string {
  const dashboard = {
    uid: 'millrace',
    title: 'Millrace',
    description: 'Views, serving, audits, archives and workers. Written by scripts/write-dashboard.ts of Millrace.',
    tags: ['millrace'],
    timezone: 'utc',
    editable: true,
    graphTooltip: 1,
    schemaVersion: 39,
    version: 1,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: { list: variables() },
    annotations: { list: [] },
    links: [],
    panels: panels(),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

function variables(): readonly object[] {
  const ofLabel = (label: string) => ({
    type: 'query',
    name: label,
    label,
    datasource: DATASOURCE,
    query: { query: `label_values(millrace_view_phase, ${label})`, refId: label },
    includeAll: true,
    // One installation alone has no such label: it is matched as the empty one.
    allValue: '.*',
    multi: true,
    refresh: 2,
    sort: 1,
    current: { selected: true, text: 'All', value: '$__all' },
  });
  return [
    { type: 'datasource', name: 'datasource', label: 'Prometheus', query: 'prometheus', refresh: 1 },
    ofLabel('installation'),
    ofLabel('view'),
  ];
}

function panels(): readonly object[] {
  const made: object[] = [];
  let y = 0;
  for (const [title, own] of ROWS) {
    made.push({
      id: made.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { h: 1, w: COLUMNS, x: 0, y },
      panels: [],
    });
    y += 1;
    let x = 0;
    for (const panel of own) {
      const width = panel.width ?? 8;
      if (x + width > COLUMNS) {
        x = 0;
        y += PANEL_HEIGHT;
      }
      made.push(panelOf(panel, made.length + 1, { h: PANEL_HEIGHT, w: width, x, y }));
      x += width;
    }
    y += PANEL_HEIGHT;
  }
  return made;
}

function panelOf({ title, description, kind, unit, queries }: Panel, id: number, gridPos: object): object {
  const isTable = kind === 'table';
  return {
    id,
    type: kind,
    title,
    description,
    gridPos,
    datasource: DATASOURCE,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat,
      ...(isTable ? { instant: true, format: 'table' } : { range: true }),
    })),
  };
}
