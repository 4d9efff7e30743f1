/** `npm run bench` measures networks of real processes; `npm run bench state` the state store alone. */
await import(process.argv[2] === 'state' ? new URL('./state.mjs', import.meta.url).href : './nodes.js')
