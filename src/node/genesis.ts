import { configHashOf } from '../codec/index.js'
import type { ConsensusConfig, Genesis, Hash } from '../consensus/types.js'
import { taggedHash } from '../crypto/index.js'
import type { SelfDescription } from '../network/index.js'

/** What this node says of its network when it meets another: enough to say in words how two networks differ. */
export type NetworkDescription = Omit<SelfDescription, 'role' | 'seq' | 'lcl'>

export function describeNetwork(genesis: Genesis): NetworkDescription {
  const { config } = genesis
  const { unl, threshold, roundtimeMs, minRoundtimeMs, ...limits } = config
  const unlHash = taggedHash('hp-p2p/unl/1', Buffer.from([...unl].sort().join(''), 'hex'))
  return {
    contractId: genesis.contractId,
    unlHash,
    configHash: configHashOf(config),
    genesisStateRoot: genesis.stateRoot,
    threshold,
    roundtimeMs,
    minRoundtimeMs,
    limitsHash: taggedHash('hp-p2p/limits/1', Buffer.from(JSON.stringify(Object.entries(limits).sort())))
  }
}

/** Why the configuration makes another network than the one whose ledgers are here, in words; null when it is the same. */
export function findGenesisDifference(stored: Genesis, contractId: string, config: ConsensusConfig): string | null {
  if (stored.contractId !== contractId) return 'contractid'
  const names: [keyof ConsensusConfig, string][] = [
    ['threshold', 'threshold'],
    ['roundtimeMs', 'roundtime'],
    ['minRoundtimeMs', 'minroundtime']
  ]
  if ([...stored.config.unl].sort().join() !== [...config.unl].sort().join()) return 'unl'
  for (const [key, name] of names) if (stored.config[key] !== config[key]) return name
  return configHashOf(stored.config) === configHashOf(config) ? null : 'a limit'
}

export function createGenesis(contractId: string, config: ConsensusConfig, stateRoot: Hash): Genesis {
  return { contractId, config: { ...config, unl: [...config.unl].sort() }, stateRoot }
}
