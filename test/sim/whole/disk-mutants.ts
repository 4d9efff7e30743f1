import { QUIET, type WholeMutant } from './mutant-profiles.js'
import type { WholeProfile } from './profile.js'

const mayCrash = ({ crashEveryMs, crashOnIoRate }: WholeProfile): boolean => crashEveryMs + crashOnIoRate > 0

/** Faults in what a node makes of its own disk, ledgers and executions. */
export const DISK_MUTANTS: WholeMutant[] = [
  {
    name: 'driver goes on before a closed ledger is on disk',
    replacements: [
      { file: 'node/consensus-driver.ts', from: 'await this.#options.persist(', to: 'void this.#options.persist(' }
    ],
    firstSeed: 32,
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
  }
]
