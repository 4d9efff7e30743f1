/** `npm run bench` measures networks of real processes; `npm run bench state` the state store alone, `npm run bench absence` a return. */
const [, , what] = process.argv
if (what === 'state') await import('./state.js')
else await import(what === 'absence' ? './absence.js' : './nodes.js')
