import { CHANGING, LOSING, QUIET, type WholeMutant } from './mutant-profiles.js'

/** Faults in what a node makes of its peers, of changes of the config, of what was lost, and in its limits. */
export const PEER_MUTANTS: WholeMutant[] = [
  {
    name: 'a peer is blamed when the own disk is full',
    replacements: [
      { file: 'node/catch-up.ts', from: 'if (this.#options.tip() < ledger.header.seq) throw', to: 'if (false) throw' }
    ],
    expected: ['blamed'],
    override: { ...QUIET, crashEveryMs: 1000, downMs: 1000, diskFullEveryMs: 300, inputEveryMs: 20 }
  },
  {
    name: 'outputs not on disk before the state is',
    replacements: [
      { file: 'node/execution.ts', from: 'putOutputs(seq, outputs, { sync: true })', to: 'putOutputs(seq, outputs)' }
    ],
    expected: ['outputs'],
    override: { ...QUIET, n: 1, quorum: 1, crashEveryMs: 200, powerShare: 1, downMs: 10, inputEveryMs: 20 }
  },
  {
    name: 'ledgers of peers taken unseen',
    replacements: [{ file: 'node/catch-up.ts', from: 'if (problem !== null) return problem\n    await', to: 'await' }],
    expected: ['fork', 'chain', 'certificate', 'fatal'],
    override: { ...QUIET, byzantine: 1, crashEveryMs: 500, downMs: 1000 }
  },
  {
    name: 'config that a ledger changes not taken over',
    replacements: [
      {
        file: 'node/node.ts',
        from: 'if (ledger.config !== null) await this.#adoptConfig',
        to: 'if (false) await this.#adoptConfig'
      }
    ],
    expected: ['no-progress', 'fatal', 'limit'],
    override: CHANGING
  },
  {
    name: 'contract sees the UNL before the ledger',
    replacements: [
      {
        file: 'node/executor.ts',
        from: 'executionOf(ledger, config.unl)',
        to: 'executionOf(ledger, (this.unlBefore ??= config.unl))'
      },
      {
        file: 'node/executor.ts',
        from: '#last: LastExecution | null = null\n\n',
        to: '#last: LastExecution | null = null\n  private unlBefore: PublicKey[] | undefined\n\n'
      }
    ],
    expected: ['false-result', 'state'],
    override: CHANGING
  },
  {
    name: 'loss of the journal forgotten at the next start',
    replacements: [
      { file: 'node/disk.ts', from: 'return Number(sinceMs) || null', to: 'return sinceMs === undefined ? 0 : null' }
    ],
    expected: ['said-twice'],
    override: LOSING
  },
  {
    name: 'votes while the ledgers are older than the journal',
    replacements: [
      { file: 'node/journaled.ts', from: 'return silentThrough(seq)', to: 'return null' },
      { file: 'node/disk.ts', from: 'const unsureSinceMs = isFresh ? 0 : Date.now()', to: 'const unsureSinceMs = 0' }
    ],
    expected: ['said-twice'],
    override: LOSING
  },
  {
    name: 'proposals of closed ledgers kept',
    replacements: [
      { file: 'node/consensus-driver.ts', from: 'this.#options.pool.forgetBefore(ledger.header.seq)', to: '' }
    ],
    expected: ['limit']
  },
  {
    name: 'names of messages kept for ever',
    replacements: [{ file: 'node/consensus-driver.ts', from: 'this.#intake.forgetUntil(ledger.header.seq)', to: '' }],
    expected: ['limit']
  },
  {
    name: 'claims of peers kept for ever',
    replacements: [
      {
        file: 'node/catch-up.ts',
        from: 'this.#claims.set(peer, Math.max',
        to: 'this.#claims.set(peer + seq, Math.max'
      }
    ],
    expected: ['limit', 'no-progress'],
    override: { ...QUIET, byzantine: 1, crashEveryMs: 500, downMs: 1000 }
  }
]
