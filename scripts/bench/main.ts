/** `npm run bench` measures networks of real processes; `npm run bench state` the state store alone. */
if (process.argv[2] === 'state') await import('./state.mjs')
else await import('./nodes.js')
