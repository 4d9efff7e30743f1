import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'
import type { ViolationKind } from './checks.js'
import { drawProfile, type Profile } from './profile.js'
import { Random } from './random.js'
import { RULE_MUTANTS } from './rule-mutants.js'
import { type Core, type Outcome, simulate } from './world.js'

export interface Replacement {
  /** In src/consensus. */
  file: string
  from: string
  to: string
}

/** A fault put into a copy of the core; the simulator must find it. */
export interface Mutant {
  name: string
  replacements: Replacement[]
  /** Kinds of violation of which one must be found. */
  expected: ViolationKind[]
  /** Where to look: forks are rare, so that a test begins shortly before one that is known. */
  firstSeed: number
  seedsMax: number
  /** Other seeds are not worth their time. */
  needs?: (profile: Profile) => boolean
}

const CORE = 'consensus.ts'
const DECISION = 'decision.ts'

const FIRST_MUTANTS: Mutant[] = [
  {
    name: 'lock rule removed',
    replacements: [
      {
        file: DECISION,
        from: "this.#vote('prevote', free || unlocked ? hash : null)",
        to: "this.#vote('prevote', hash)"
      }
    ],
    firstSeed: 140,
    seedsMax: 1500,
    expected: ['fork'],
    needs: ({ forkHunt }) => forkHunt
  },
  {
    name: 'lock forgotten at restart',
    replacements: [{ file: DECISION, from: 'this.#lock = journaled.lock\n    this.#valid = journaled.lock', to: '' }],
    firstSeed: 4320,
    seedsMax: 3000,
    expected: ['fork'],
    needs: ({ forkHunt }) => forkHunt
  },
  {
    name: 'quorum one too small',
    replacements: [{ file: 'quorum.ts', from: 'return Math.max(', to: 'return -1 + Math.max(' }],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['certificate', 'precommit', 'fork']
  },
  {
    name: 'vote of a non-member counted',
    replacements: [
      {
        file: CORE,
        from: 'if (!this.#members.has(vote.validator)) return\n',
        to: ''
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['certificate', 'precommit', 'fork']
  },
  {
    name: 'one validator counted twice',
    replacements: [
      { file: 'vote-book.ts', from: 'if (votes[vote.kind].has(vote.validator)) return false\n', to: '' },
      {
        file: 'vote-book.ts',
        from: 'votes[vote.kind].set(vote.validator, vote)',
        to: 'votes[vote.kind].set(vote.validator + votes[vote.kind].size, vote)'
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['certificate', 'precommit', 'fork']
  },
  {
    name: 'journaled votes ignored at restart',
    replacements: [{ file: DECISION, from: 'of journaled.votes)', to: 'of journaled.votes.slice(0, 0))' }],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['double-vote', 'fork']
  },
  {
    name: 'journaled proposal ignored at restart',
    replacements: [{ file: CORE, from: 'this.#pace.noteProposal()', to: 'void 0' }],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['double-proposal']
  },
  {
    name: 'precommit without content',
    replacements: [
      {
        file: DECISION,
        from: 'if (this.#valid?.attempt === this.#attempt) return\n',
        to: "if (this.#step === 'prevote') this.#vote('precommit', hash)\nif (this.#valid?.attempt === this.#attempt) return\n"
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['precommit']
  },
  {
    name: 'precommit on any prevotes',
    replacements: [
      {
        file: DECISION,
        from: 'if (most >= this.#quorum) {\n      if (leader !== null)',
        to: 'if (total >= this.#quorum) {\n      if (leader !== null)'
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['precommit', 'fork']
  },
  {
    name: 'closed by precommits of several attempts',
    replacements: [
      {
        file: DECISION,
        from: "const { leader, most } = this.#votes.tally(attempt, 'precommit')",
        to:
          "const { leader } = this.#votes.tally(attempt, 'precommit')\n" +
          "const most = new Set(this.#votes.attempts().flatMap((one) => this.#votes.votes(one, 'precommit'))" +
          '.filter((vote) => vote.hash === leader).map((vote) => vote.validator)).size'
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['certificate', 'fork']
  },
  {
    name: 'prevotes of a candidate not counted',
    replacements: [{ file: 'candidates.ts', from: 'this.#isQuorum(prevotes)', to: 'true' }],
    firstSeed: 3360,
    seedsMax: 3000,
    expected: ['fork'],
    needs: ({ forkHunt, byzantine }) => forkHunt && byzantine > 0
  },
  {
    name: 'a lock keeps the attempt of the lock before',
    replacements: [
      {
        file: DECISION,
        from: 'this.#valid = { attempt: this.#attempt, ',
        to: 'this.#valid = { attempt: this.#lock?.ledger.hash === hash ? this.#lock.attempt : this.#attempt, '
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['precommit']
  },
  {
    name: 'votes awaited of validators that have gone on',
    replacements: [
      { file: DECISION, from: 'total + gone < this.#quorum) return\n', to: 'total < this.#quorum) return\n' },
      { file: DECISION, from: 'total + gone < this.#quorum) return false', to: 'total < this.#quorum) return false' }
    ],
    firstSeed: 1,
    seedsMax: 1500,
    expected: ['no-progress']
  },
  {
    name: 'nothing said again after a restart',
    replacements: [
      { file: DECISION, from: 'may have been restarted.\n    this.#resend()', to: 'may have been restarted.' }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['no-progress']
  },
  {
    name: 'a result agreed by a mere majority of the candidate',
    replacements: [
      {
        file: 'close-ledger.ts',
        from: 'return Math.max(Math.floor(c / 2) + 1, safeFaults(n, q) + 1)',
        to: 'return Math.floor(c / 2) + 1'
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['result'],
    needs: ({ colludes }) => colludes
  },
  {
    name: 'a result agreed by all or none',
    replacements: [
      {
        file: 'close-ledger.ts',
        from: 'return Math.max(Math.floor(c / 2) + 1, safeFaults(n, q) + 1)',
        to: 'return c'
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['result']
  },
  {
    name: 'silence after a lost ledger store not kept',
    replacements: [
      {
        file: CORE,
        from: 'return this.#journaled === null || this.seq >= this.#journaled.seq',
        to: 'return true'
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['double-vote', 'double-proposal', 'fork']
  },
  {
    name: 'config changed by one wish',
    replacements: [{ file: 'wishes.ts', from: 'count >= quorum', to: 'count >= 1' }],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['config'],
    needs: ({ changeEveryMs }) => changeEveryMs > 0
  },
  {
    name: 'new config left out by some',
    replacements: [
      {
        file: CORE,
        from: 'this.#adoptConfig(ledger.config)',
        to: 'if (!this.isValidator) this.#adoptConfig(ledger.config)'
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['certificate', 'precommit', 'fork', 'no-progress', 'config', 'crash'],
    needs: ({ changeEveryMs }) => changeEveryMs > 0
  },
  {
    name: 'quorum of the first UNL kept',
    replacements: [
      {
        file: CORE,
        from: 'this.#quorum = quorumOf(this.#unl.length, config.threshold)',
        to: 'this.#quorum ||= quorumOf(this.#unl.length, config.threshold)'
      }
    ],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['certificate', 'precommit', 'fork', 'no-progress'],
    needs: ({ changeEveryMs }) => changeEveryMs > 0
  },
  {
    name: 'forwarded input taken twice',
    replacements: [{ file: 'close-ledger.ts', from: ' && !forwarded.has(id)', to: '' }],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['input-twice'],
    needs: ({ forwardEveryMs }) => forwardEveryMs > 0
  },
  {
    name: 'forwarded input taken after its time',
    replacements: [{ file: 'close-ledger.ts', from: 'return untilSeq > seq && untilSeq', to: 'return untilSeq' }],
    firstSeed: 1,
    seedsMax: 400,
    expected: ['input-late', 'input-twice'],
    needs: ({ forwardEveryMs }) => forwardEveryMs > 0
  },
  {
    name: 'forwarded inputs forgotten at restart',
    replacements: [{ file: 'close-ledger.ts', from: 'of [...before, ledger]', to: 'of [ledger]' }],
    firstSeed: 1,
    seedsMax: 3000,
    expected: ['input-twice', 'no-progress', 'fork'],
    needs: ({ forwardEveryMs }) => forwardEveryMs > 0
  },
  {
    name: 'silence without a journal forgotten',
    replacements: [{ file: CORE, from: ' || this.#tip.timeMs <= this.#silentUntilMs', to: '' }],
    firstSeed: 1,
    seedsMax: 3000,
    expected: ['double-vote', 'double-proposal', 'fork'],
    needs: ({ journalLossRate }) => journalLossRate > 0
  }
]

/** Faults in the core that the simulator must find. */
export const MUTANTS: Mutant[] = [...FIRST_MUTANTS, ...RULE_MUTANTS]

const COMPILER_OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true
}
const SOURCE = fileURLToPath(new URL('../../src/', import.meta.url))
const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url))

/**
 * Loads the core from a copy of its sources with the replacements made, each exactly once. `remove` deletes the copy.
 *
 * @throws Error when a text to replace is not there: the mutant must then be brought up to date
 */
export async function loadMutant(mutant: Mutant): Promise<{ core: Core; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'hp-p2p-mutant-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    for (const part of ['consensus', 'codec', 'crypto']) {
      await cp(join(SOURCE, part), join(folder, part), { recursive: true })
    }
    for (const { file, from, to } of mutant.replacements) {
      const path = join(folder, 'consensus', file)
      const text = await readFile(path, 'utf8')
      if (text.split(from).length !== 2) throw new Error(`mutant ${mutant.name}: ${file} has not once: ${from}`)
      await writeFile(
        path,
        text.replace(from, () => to)
      )
    }
    await compileFolder(folder)
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    await symlink(MODULES, join(folder, 'node_modules'))
    const load = (file: string) => import(/* @vite-ignore */ pathToFileURL(join(folder, 'consensus', file)).href)
    const [{ Consensus }, { closeLedger, tipOf }] = await Promise.all([load('consensus.js'), load('close-ledger.js')])
    return { core: { Consensus, closeLedger, tipOf }, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** Compiled sources by their text: most files are the same in all mutants. */
const compiled = new Map<string, string>()

async function compileFolder(folder: string): Promise<void> {
  for (const file of await readdir(folder, { recursive: true })) {
    if (!file.endsWith('.ts')) continue
    const text = await readFile(join(folder, file), 'utf8')
    const output = compiled.get(text) ?? ts.transpileModule(text, { compilerOptions: COMPILER_OPTIONS }).outputText
    compiled.set(text, output)
    await writeFile(join(folder, file.replace(/\.ts$/, '.js')), output)
  }
}

/** Runs seeds until one finds the mutant's fault. @returns null when none of `seeds` did */
export function hunt(core: Core, mutant: Mutant, firstSeed: number, seeds: number): Outcome | null {
  for (let seed = firstSeed, ran = 0; ran < seeds; seed++) {
    if (mutant.needs?.(drawProfile(new Random(seed))) === false) continue
    ran++
    const outcome = simulate(core, seed, { healing: mutant.expected.includes('no-progress') })
    if (outcome.violation !== null && mutant.expected.includes(outcome.violation.kind)) return outcome
  }
  return null
}
