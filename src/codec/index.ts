export * from './canonical.js'
export * from './ledger.js'
export * from './limits.js'
export * from './signing.js'
