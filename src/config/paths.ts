import { resolve } from 'node:path'

/** Where the pieces of a contract directory lie, as absolute paths. */
export interface ContractPaths {
  dir: string
  bin: string
  cfg: string
  /** hp.cfg. */
  config: string
  hist: string
  state: string
  log: string
  /** LevelDB of the ledgers. */
  ledgers: string
  /** LevelDB of the peer store. */
  peers: string
  /** The journal of what this node signed; files whose names begin so. */
  journal: string
  snapshot: string
  /** Of which ledger users had the outputs last. */
  delivered: string
}

export function contractPaths(dir: string): ContractPaths {
  const at = (...parts: string[]) => resolve(dir, ...parts)
  return {
    dir: at(),
    bin: at('bin'),
    cfg: at('cfg'),
    config: at('cfg', 'hp.cfg'),
    hist: at('hist'),
    state: at('state'),
    log: at('log'),
    ledgers: at('hist', 'ledgers'),
    peers: at('hist', 'peers'),
    journal: at('hist', 'journal'),
    snapshot: at('hist', 'state'),
    delivered: at('hist', 'delivered')
  }
}
