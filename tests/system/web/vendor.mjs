// @ts-check
// Copies the ES modules of the pages from npm packages to `src/sink/web/assets/vendor/`, with
// relative imports, so that the pages need neither a build step nor an import map.
//
//   npm run vendor        after `tests/system/web.sh --install`
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, 'node_modules');
const target = join(here, '../../../src/sink/web/assets/vendor');

/** Package, module in it, and file name in `vendor/`. */
const MODULES = [
  ['preact', 'dist/preact.mjs', 'preact.js'],
  ['preact', 'hooks/dist/hooks.mjs', 'preact-hooks.js'],
  ['@preact/signals-core', 'dist/signals-core.mjs', 'signals-core.js'],
  ['@preact/signals', 'dist/signals.mjs', 'signals.js'],
  ['htm', 'dist/htm.mjs', 'htm.js'],
  ['uplot', 'dist/uPlot.esm.js', 'uplot.js'],
];

/** Bare module specifiers and their files. */
const SPECIFIERS = {
  preact: './preact.js',
  'preact/hooks': './preact-hooks.js',
  '@preact/signals-core': './signals-core.js',
};

/** @param {string} name */
function describe(name) {
  const { version, license } = JSON.parse(
    readFileSync(join(packages, name, 'package.json'), 'utf8'),
  );
  return { version, license };
}

mkdirSync(target, { recursive: true });
const rows = [];
for (const [name, module, file] of MODULES) {
  const { version, license } = describe(name);
  let code = readFileSync(join(packages, name, module), 'utf8');
  for (const [bare, relative] of Object.entries(SPECIFIERS)) {
    code = code.replaceAll(`from"${bare}"`, `from"${relative}"`);
  }
  code = code.replace(/\n?\/\/# sourceMappingURL=.*\n?$/, '\n');
  writeFileSync(
    join(target, file),
    `// @ts-nocheck\n/*! ${name} ${version}, ${license} */\n${code}`,
  );
  const licence = `LICENSE-${name.replace('@', '').replace('/', '-')}`;
  copyFileSync(join(packages, name, 'LICENSE'), join(target, licence));
  rows.push(`| \`${file}\` | ${name} ${version} | \`${module}\` | ${license} (\`${licence}\`) |`);
}
copyFileSync(join(packages, 'uplot/dist/uPlot.min.css'), join(target, 'uplot.css'));
rows.push('| `uplot.css` | uplot | `dist/uPlot.min.css` | as above |');

writeFileSync(
  join(target, 'README.md'),
  `# Modules of other projects

Published ES modules from npm, with two changes: imports of other packages are relative, and the
reference to the source map is removed. \`tests/system/web/vendor.mjs\` makes this folder; versions
are pinned in \`tests/system/web/package.json\`.

| file | package | file in the package | licence |
|---|---|---|---|
${rows.join('\n')}
`,
);
