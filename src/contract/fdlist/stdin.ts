import type { PublicKey } from '../../consensus/types.js'
import type { Execution } from '../types.js'

/** [the contract reads it, the contract writes it]. */
export type FdPair = [read: number, write: number]

/**
 * The JSON object on the contract's standard input, as the prototype writes it: keys sorted, indented by one space,
 * `time` in whole seconds as a string.
 */
export function encodeFdList(
  execution: Execution,
  publicKey: PublicKey,
  npl: FdPair,
  users: Map<PublicKey, FdPair>
): Uint8Array {
  // Keys in the order of their bytes; hex keys start with a letter or hold 64 digits, so none is an array index.
  const sortedUsers = Object.fromEntries([...users].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
  const list = {
    hotpocket: 0.1,
    lcl: execution.lcl,
    mver: 1,
    npl,
    pubkey: publicKey,
    time: String(Math.floor(execution.timeMs / 1000)),
    type: 'binexec',
    unl: execution.unl,
    user: sortedUsers
  }
  return Buffer.from(JSON.stringify(list, null, 1))
}
