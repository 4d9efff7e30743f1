/**
 * `npm run bench` measures networks of real processes; `npm run bench state` the state store alone, `npm run bench absence` a return,
 * `npm run bench attack` what hostile users cost the others, `npm run bench sandbox` what the sandbox costs an execution.
 */
const BENCHES: Record<string, () => Promise<unknown>> = {
  absence: () => import('./absence.js'),
  attack: () => import('./attack.js'),
  sandbox: () => import('./sandbox.js'),
  state: () => import('./state.js')
}

const bench = BENCHES[process.argv[2] ?? '']
await (bench === undefined ? import('./nodes.js') : bench())
