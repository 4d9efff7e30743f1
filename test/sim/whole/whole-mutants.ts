import type { Replacement } from '../mutants.js'
import { Random } from '../random.js'
import type { WholeViolationKind } from './checks.js'
import { drawWholeProfile, type WholeProfile } from './profile.js'
import { createPrograms, simulateWhole, type WholeOutcome } from './whole-world.js'

/** A fault outside of the core that runs of whole nodes must find. */
export interface WholeMutant {
  name: string
  /** Files are relative to src. */
  replacements: Replacement[]
  expected: WholeViolationKind[]
  /** Where the hunt begins; 1 unless given. */
  firstSeed?: number
  /** Seeds that cannot show it are passed over. */
  needs?: (profile: WholeProfile) => boolean
  /** Other than what seeds draw. */
  override?: Partial<WholeProfile>
}

const mayCrash = ({ crashEveryMs, crashOnIoRate }: WholeProfile): boolean => crashEveryMs + crashOnIoRate > 0

/** Four validators on good lines, quick and without other faults than those that a mutant asks for. */
const QUIET: Partial<WholeProfile> = {
  n: 4,
  threshold: 67,
  quorum: 3,
  observers: 0,
  roundtimeMs: 50,
  minRoundtimeMs: 0,
  lossRate: 0,
  delayMs: 2,
  partitionEveryMs: 0,
  crashEveryMs: 0,
  crashOnIoRate: 0,
  diskFullEveryMs: 0,
  byzantine: 0,
  colludes: false,
  usurps: false,
  changeEveryMs: 0,
  lossOnDiskRate: 0,
  flipRate: 0,
  damageRate: 0,
  skewMs: 200,
  flaky: 0,
  slowNodes: 0,
  slowDisks: 0,
  stepMs: 0.5,
  faultMs: 10_000,
  faultLedgers: 60
}

/** States are copied, so that executions are passed over. */
const PASSED_OVER: Partial<WholeProfile> = {
  ...QUIET,
  crashEveryMs: 1000,
  downMs: 1000,
  lossOnDiskRate: 0.7,
  requestLossRate: 0.8,
  inputEveryMs: 20
}

/** Things are lost on the disk of one node again and again, and it is soon back. */
const LOSING: Partial<WholeProfile> = {
  ...QUIET,
  lossRate: 0.2,
  crashEveryMs: 200,
  crashOnIoRate: 0.02,
  downMs: 10,
  lossOnDiskRate: 0.7,
  powerShare: 0
}

/** The UNL and the config change. */
const CHANGING: Partial<WholeProfile> = {
  ...QUIET,
  observers: 2,
  changeEveryMs: 300,
  faultMs: 15_000,
  crashEveryMs: 4000
}

export const WHOLE_MUTANTS: WholeMutant[] = [
  {
    name: 'driver goes on before a closed ledger is on disk',
    replacements: [
      { file: 'node/consensus-driver.ts', from: 'await this.#options.persist(', to: 'void this.#options.persist(' }
    ],
    firstSeed: 14,
    expected: ['not-durable', 'fatal'],
    override: { ...QUIET, slowDisks: 1 }
  },
  {
    name: 'closed ledger written without a sync',
    replacements: [
      {
        file: 'node/node.ts',
        from: 'append(ledger, certificate, { sync: true })',
        to: 'append(ledger, certificate, { sync: false })'
      }
    ],
    expected: ['not-durable']
  },
  {
    name: 'store does not ask LevelDB for a sync',
    replacements: [{ file: 'ledger/db.ts', from: '{ sync: options.sync }', to: '{ sync: false }' }],
    expected: ['not-durable']
  },
  {
    name: 'execution begins before its ledger is on disk',
    replacements: [
      {
        file: 'node/node.ts',
        from: 'await this.ledgers.append(ledger, certificate, { sync: true })',
        to: 'this.executor.enqueue(ledger)\n    await this.ledgers.append(ledger, certificate, { sync: true })'
      }
    ],
    expected: ['not-durable', 'fatal']
  },
  {
    name: 'driver sends while its journal is still being written',
    replacements: [
      {
        file: 'node/consensus-driver.ts',
        from: 'await this.#options.journal.flush()',
        to: 'void this.#options.journal.flush()'
      }
    ],
    expected: ['not-durable']
  },
  {
    name: 'journal that was read back not synced',
    replacements: [
      { file: 'node/journal.ts', from: 'and must last.\n        await file.sync()', to: 'and must last.' }
    ],
    firstSeed: 7,
    expected: ['not-durable', 'said-twice'],
    override: {
      ...QUIET,
      crashEveryMs: 300,
      crashOnIoRate: 0.02,
      powerShare: 0,
      allShare: 0.3,
      downMs: 10,
      lossRate: 0.2
    }
  },
  {
    name: 'own votes not read back',
    replacements: [
      { file: 'node/journaled.ts', from: 'votes.push(readVote(record.vote, self))', to: 'readVote(record.vote, self)' }
    ],
    firstSeed: 15,
    expected: ['said-twice'],
    needs: mayCrash
  },
  {
    name: 'own proposal not read back',
    replacements: [{ file: 'node/journaled.ts', from: 'if (record.proposal !== undefined) own = proposal', to: '' }],
    expected: ['said-twice'],
    needs: mayCrash
  },
  {
    name: 'proposals that a lock needs not written into the journal',
    replacements: [
      {
        file: 'node/journaled.ts',
        from: 'if (inJournal.has(hash) || message === undefined) continue',
        to: 'if (message !== null) continue'
      }
    ],
    expected: ['fatal'],
    needs: mayCrash
  },
  {
    name: 'journal of another salt taken for the own one',
    replacements: [{ file: 'node/disk.ts', from: 'if (salt === journal.salt)', to: 'if (salt !== undefined)' }],
    expected: ['said-twice'],
    needs: ({ flipRate }) => flipRate > 0,
    override: { flipRate: 1, lossRate: 0.05, crashEveryMs: 300, downMs: 10, skewMs: 0 }
  },
  {
    name: 'inputs in a ledger wait on',
    replacements: [
      { file: 'node/node.ts', from: 'this.pending.confirm(ledger.inputs.map((input) => input.id))', to: '' }
    ],
    expected: ['input-twice']
  },
  {
    name: 'agreed state not committed',
    replacements: [{ file: 'node/executor.ts', from: 'await this.#options.state.commit(agreed.stateRoot)', to: '' }],
    expected: ['state', 'no-progress', 'fatal']
  },
  {
    name: 'void execution not undone',
    replacements: [
      {
        file: 'node/executor.ts',
        from: "if (agreed.status === 'void') {\n      const isBack = await this.#rollBack()",
        to: "if (agreed.status === 'void') {\n      const isBack = true"
      }
    ],
    expected: ['state', 'false-result', 'no-progress'],
    override: {
      flaky: 2,
      flakyRate: 0.5,
      n: 3,
      quorum: 3,
      threshold: 67,
      observers: 0,
      minRoundtimeMs: 500,
      inputEveryMs: 500,
      crashEveryMs: 0,
      crashOnIoRate: 0,
      lossRate: 0,
      faultMs: 10000
    }
  },
  {
    name: 'failed execution not undone',
    replacements: [
      { file: 'node/executor.ts', from: 'await this.#rollBack()\n    this.#last = {', to: 'this.#last = {' }
    ],
    expected: ['state', 'false-result', 'no-progress', 'fatal'],
    override: { failShare: 0.2 }
  },
  {
    name: 'own result committed although another is agreed',
    replacements: [{ file: 'node/executor.ts', from: 'if (!isSame(done.result, agreed))', to: 'if (false)' }],
    expected: ['state', 'fatal', 'no-progress'],
    needs: ({ flaky }) => flaky > 0,
    override: { flakyRate: 0.3 }
  },
  {
    name: 'execution goes on behind the ledger that was cut',
    replacements: [
      {
        file: 'node/resume.ts',
        from: 'return seq === 0 ? 0 : await findUnanswered(ledgers, seq, root)',
        to: 'return seq + 1'
      }
    ],
    expected: ['state', 'false-result', 'no-progress', 'fatal', 'false-output'],
    needs: mayCrash
  },
  {
    name: 'state not looked at after a restart',
    replacements: [
      {
        file: 'node/resume.ts',
        from: "if (root !== state.committedRoot || (await recover(root)) === 'unknown') continue",
        to: 'if (root !== state.committedRoot) continue'
      }
    ],
    expected: ['state', 'false-result', 'no-progress', 'fatal'],
    needs: mayCrash
  },
  {
    name: 'outputs handed out before they are agreed',
    replacements: [
      {
        file: 'node/executor.ts',
        from: 'this.#done = done\n    this.#options.onExecuted(',
        to: "this.#done = done\n    this.#options.onSettled({ status: 'ok', ledger, outputs: done.outputs })\n    this.#options.onExecuted("
      }
    ],
    expected: ['false-output', 'output-twice']
  },
  {
    name: 'snapshot of the state changed before its journal is on disk',
    replacements: [
      {
        file: 'state/journal.ts',
        from: 'await this.#flush()\n      await fdatasync(this.#fd)',
        to: 'await this.#flush()'
      }
    ],
    firstSeed: 9,
    expected: ['state', 'fatal', 'no-progress', 'false-result'],
    override: { ...QUIET, crashEveryMs: 1000, powerShare: 1, allShare: 1, downMs: 10 }
  },
  {
    name: 'ledgers fetched are not waited for',
    replacements: [
      {
        file: 'node/catch-up.ts',
        from: 'await this.#options.adopt(ledger, certificate)',
        to: 'void this.#options.adopt(ledger, certificate)'
      },
      { file: 'node/catch-up.ts', from: 'if (this.#options.tip() < ledger.header.seq) throw', to: 'if (false) throw' }
    ],
    expected: ['blamed'],
    needs: mayCrash
  },
  {
    name: 'what is heard again from a later ledger says nothing',
    replacements: [
      {
        file: 'node/gossip-intake.ts',
        from: 'if (seq > this.#options.core.seq) this.#options.onBehind(seq, validator)',
        to: 'void seq, validator'
      }
    ],
    firstSeed: 30,
    expected: ['no-progress'],
    override: { ...QUIET, n: 2, quorum: 2, partitionEveryMs: 4000, requestLossRate: 0.4, faultLedgers: 100 }
  },
  {
    name: 'nobody is asked for missed ledgers',
    replacements: [
      {
        file: 'node/catch-up.ts',
        from: 'while (!this.#stopping.signal.aborted && this.#isBehind())',
        to: 'while (false)'
      }
    ],
    expected: ['no-progress'],
    needs: mayCrash
  },
  {
    name: 'outputs of a ledger handed out again',
    replacements: [{ file: 'node/delivered.ts', from: 'if (seq <= this.#seq) return false\n', to: '' }],
    expected: ['output-twice'],
    override: { ...QUIET, crashEveryMs: 300, powerShare: 0, allShare: 0, downMs: 10, damageRate: 0.7 }
  },
  {
    name: 'genesis stored before the journal is noted',
    replacements: [
      {
        file: 'node/disk.ts',
        from: 'const unsureSinceMs = await noteJournal(',
        to: 'if (isBirth) await ledgers.putGenesis(genesis)\n  const unsureSinceMs = await noteJournal('
      }
    ],
    expected: ['no-progress'],
    override: { ...QUIET, n: 7, quorum: 5, crashEveryMs: 100, powerShare: 0, allShare: 1, downMs: 10, faultMs: 2000 }
  },
  {
    name: 'a peer is blamed when the own disk is full',
    replacements: [
      { file: 'node/catch-up.ts', from: 'if (this.#options.tip() < ledger.header.seq) throw', to: 'if (false) throw' }
    ],
    expected: ['blamed'],
    override: { ...QUIET, crashEveryMs: 1000, downMs: 1000, diskFullEveryMs: 300, inputEveryMs: 20 }
  },
  {
    name: 'outputs that nobody had are not asked for again',
    replacements: [{ file: 'node/passed-over.ts', from: 'this.#late.push(...missing)', to: 'void missing' }],
    expected: ['outputs'],
    override: PASSED_OVER
  },
  {
    name: 'outputs not asked for after a restart',
    replacements: [{ file: 'node/execution.ts', from: 'this.passedOver.resume(ledgers.first(), seq ?? tip)', to: '' }],
    expected: ['outputs'],
    override: { ...PASSED_OVER, crashEveryMs: 300 }
  },
  {
    name: 'outputs of peers taken unseen',
    replacements: [
      { file: 'node/services.ts', from: 'if (outputsRootOf(outputs) === root) return', to: 'if (root !== null) return' }
    ],
    expected: ['outputs', 'false-output'],
    override: { ...PASSED_OVER, n: 7, quorum: 5, byzantine: 1 }
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
    name: 'chunks of a state taken unseen',
    replacements: [
      { file: 'state/fetcher.ts', from: 'else if (isChunk(want, bytes))', to: 'else if (bytes.length >= 0)' }
    ],
    expected: ['state', 'fatal', 'no-progress', 'false-result'],
    override: { ...PASSED_OVER, n: 7, quorum: 5, byzantine: 1 }
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
    name: 'wishes not kept over a restart',
    replacements: [
      { file: 'node/wishes.ts', from: 'if (!inForce || isKnown) await this.#set', to: 'if (isKnown) await this.#set' }
    ],
    expected: ['no-progress', 'limit'],
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

/** Seeds that are tried for one mutant. */
export const WHOLE_SEEDS_MAX = 60

/** Runs seeds until one finds the mutant's fault. @returns null when none of `seeds` did */
export async function huntWhole(mutant: WholeMutant, seeds: number): Promise<WholeOutcome | null> {
  const programs = createPrograms(mutant.replacements)
  const { needs, override = {}, expected, firstSeed = 1 } = mutant
  for (let seed = firstSeed, ran = 0; ran < seeds; seed++) {
    if (needs?.(drawWholeProfile(new Random(seed))) === false) continue
    ran++
    const outcome = await simulateWhole(programs, seed, { override })
    if (outcome.violation !== null && expected.includes(outcome.violation.kind)) return outcome
  }
  return null
}
