/** Ledgers as bytes and the hashes over them; protocols/ledger.md is the specification. */
export * from './genesis.js'
export * from './hashes.js'
export * from './header.js'
export * from './outputs.js'
export * from './record.js'
export * from './wishes.js'
