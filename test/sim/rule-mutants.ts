import type { Mutant } from './mutants.js'

/** Further faults in the core, each of one line. */
export const RULE_MUTANTS: Mutant[] = [
  {
    name: 'time from one node',
    replacements: [
      {
        file: 'close-ledger.ts',
        from: 'const sorted = [...values].sort((a, b) => a - b)',
        to: 'const sorted = [values[0], values[0], values[0]]'
      }
    ],
    firstSeed: 310,
    seedsMax: 400,
    expected: ['time'],
    needs: ({ byzantine }) => byzantine > 0
  },
  {
    name: 'time goes back',
    replacements: [{ file: 'close-ledger.ts', from: 'Math.max(tip.timeMs + 1, ', to: '(' }],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['time'],
    needs: ({ clockSkewMs }) => clockSkewMs > 0
  },
  {
    name: 'inputs beyond the limit of a ledger',
    replacements: [{ file: 'close-ledger.ts', from: ' || input.content.length > bytesLeft', to: '' }],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['limit']
  },
  {
    name: 'forwarded input of two proposals taken twice',
    replacements: [{ file: 'close-ledger.ts', from: 'seen.has(input.id) || !mayTake', to: '!mayTake' }],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['input-twice'],
    needs: ({ forwardEveryMs }) => forwardEveryMs > 0
  },
  {
    name: 'ledger of a peer taken out of turn',
    replacements: [
      {
        file: 'consensus.ts',
        from: 'if (event.ledger.header.seq !== this.seq || event.ledger.header.prevHash !== this.#tip.hash) break\n',
        to: ''
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['chain', 'fork', 'crash'],
    needs: ({ byzantine }) => byzantine > 0
  },
  {
    name: 'closed by prevotes',
    replacements: [
      {
        file: 'decision.ts',
        from: "const { leader, most } = this.#votes.tally(attempt, 'precommit')",
        to: "const { leader, most } = this.#votes.tally(attempt, 'prevote')"
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['certificate', 'fork']
  },
  {
    name: 'result of an earlier ledger proposed',
    replacements: [
      {
        file: 'consensus.ts',
        from: 'if (event.seq === this.#tip.seq) this.#pace',
        to: 'this.#pace'
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['result']
  },
  {
    name: 'nothing said again',
    replacements: [
      {
        file: 'decision.ts',
        from: "this.#timers.setAgain('resend', this.#timeouts.resendMs)",
        to: 'void 0'
      }
    ],
    firstSeed: 1,
    seedsMax: 1500,
    expected: ['no-progress']
  },
  {
    name: 'unlocked by prevotes older than the lock',
    replacements: [{ file: 'decision.ts', from: 'validAttempt >= this.#lock.attempt', to: 'validAttempt >= 0' }],
    firstSeed: 3300,
    seedsMax: 4000,
    expected: ['fork'],
    needs: ({ forkHunt, byzantine }) => forkHunt && byzantine > 0
  },
  {
    name: 'second lock of a ledger not written down',
    replacements: [
      {
        file: 'decision.ts',
        from: "const lock = kind === 'precommit' && hash !== null ? this.#lock : null",
        to: "const lock = kind === 'precommit' && hash !== null && this.#attempt === 0 ? this.#lock : null"
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['precommit']
  }
]
