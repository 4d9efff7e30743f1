/** The direction of dependencies; docs/architecture.md says why. */
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: `^src/${from}/` },
  to: {
    path: '^src/',
    pathNot: [`^src/${from}/`, '^src/consensus/types', ...allowed.map((folder) => `^src/${folder}/`)]
  }
})

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { pathNot: '^src/codec/pb/' } }
    },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, pathNot: ['\\.d\\.ts$', 'shim'] }, to: {} },
    only('crypto-below-all', 'crypto', [], 'crypto knows only the types'),
    only('codec', 'codec', ['crypto', 'consensus'], 'codec knows types, limits and crypto'),
    {
      name: 'consensus-is-pure',
      comment: 'the core imports its own files and hashes, no clock, no disk, no network',
      severity: 'error',
      from: { path: '^src/consensus/' },
      to: { pathNot: ['^src/consensus/', '^src/crypto/', '^src/codec/'] }
    },
    only('ledger', 'ledger', ['codec', 'crypto', 'consensus'], 'ledgers know no network and no node'),
    only('state', 'state', ['codec', 'crypto', 'consensus'], 'state knows no network and no node'),
    only('network', 'network', ['codec', 'crypto', 'consensus'], 'only the node wires parts together'),
    only('contract', 'contract', ['codec', 'crypto', 'consensus'], 'only the node wires parts together'),
    only('users', 'users', ['codec', 'crypto', 'consensus'], 'only the node wires parts together'),
    only('admin', 'admin', ['codec', 'crypto', 'consensus'], 'only the node wires parts together'),
    only('config', 'config', ['codec', 'crypto', 'consensus'], 'the configuration is read before anything runs'),
    only('client', 'client', ['crypto'], 'the client runs without a node')
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] }
  }
}
