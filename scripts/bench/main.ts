/**
 * `npm run bench` measures networks of real processes; `npm run bench state` the state store alone, `npm run bench absence` a return,
 * `npm run bench attack` what hostile users cost the others.
 */
const [, , what] = process.argv
if (what === 'attack') await import(new URL('./attack.ts', import.meta.url).href)
else if (what === 'state') await import(new URL('./state.mjs', import.meta.url).href)
else await import(what === 'absence' ? './absence.js' : './nodes.js')
