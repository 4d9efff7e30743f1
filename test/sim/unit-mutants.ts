import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Replacement } from './mutants.js'

/** A fault outside of the core: the tests named must fail with it. */
export interface UnitMutant {
  name: string
  /** Files are relative to src. */
  replacements: Replacement[]
  /** File of tests, relative to the repository. */
  test: string
}

export const UNIT_MUTANTS: UnitMutant[] = [
  {
    name: 'early votes of validators that have left the UNL',
    replacements: [
      {
        file: 'consensus/consensus.ts',
        from: 'for (const vote of early.votes()) this.#onVote(vote)',
        to: 'for (const vote of early.votes()) this.#decision.addVote(vote)'
      }
    ],
    test: 'test/sim/early.test.ts'
  },
  {
    name: 'said before it is in the journal',
    replacements: [
      { file: 'node/consensus-driver.ts', from: 'await this.#options.journal.flush()\n    for (', to: 'for (' }
    ],
    test: 'test/sim/driver.test.ts'
  },
  {
    name: 'lock not written into the journal',
    replacements: [{ file: 'node/consensus-driver.ts', from: 'if (lock !== null) addLock', to: 'if (false) addLock' }],
    test: 'test/sim/driver.test.ts'
  },
  {
    name: 'lock not read back from the journal',
    replacements: [{ file: 'node/journaled.ts', from: 'lock = readLock(', to: 'void readLock(' }],
    test: 'test/sim/driver.test.ts'
  },
  {
    name: 'journal drops its last record',
    replacements: [{ file: 'node/journal.ts', from: 'records.slice(1)', to: 'records.slice(1, -1)' }],
    test: 'test/unit/node/journal.test.ts'
  },
  {
    name: 'journal not synced',
    replacements: [
      {
        file: 'node/journal.ts',
        from: 'await this.#file.sync()\n    this.#length += bytes',
        to: 'this.#length += bytes'
      }
    ],
    test: 'test/unit/node/journal.test.ts'
  },
  {
    name: 'damage in the middle of the journal passed over',
    replacements: [{ file: 'node/journal.ts', from: 'if (hasRecordAfter(', to: 'if (length < 0 && hasRecordAfter(' }],
    test: 'test/unit/node/journal.test.ts'
  },
  {
    name: 'journal of another key used',
    replacements: [
      { file: 'node/journal.ts', from: "if (Buffer.from(owner.key).toString('hex') !== key)", to: 'if (key === null)' }
    ],
    test: 'test/unit/node/journal.test.ts'
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
    test: 'test/unit/node/gossip-intake.test.ts'
  },
  {
    name: 'outputs that nobody had are not asked for again',
    replacements: [{ file: 'node/passed-over.ts', from: 'this.#late.push(...missing)', to: 'void missing' }],
    test: 'test/unit/node/executor.test.ts'
  },
  {
    name: 'outputs not asked for after a restart',
    replacements: [
      {
        file: 'node/passed-over.ts',
        from: 'if (!(await this.#options.hasOutputs(seq))) missing.push(seq)',
        to: 'await this.#options.hasOutputs(seq)'
      }
    ],
    test: 'test/unit/node/executor.test.ts'
  },
  {
    name: 'outputs of peers taken unseen',
    replacements: [
      { file: 'node/services.ts', from: 'if (outputsRootOf(outputs) === root) return outputs', to: 'return outputs' }
    ],
    test: 'test/unit/node/services.test.ts'
  },
  {
    name: 'peers that never answer hold up executions',
    replacements: [{ file: 'node/passed-over.ts', from: '() => fetching.abort(), Math.max', to: '() => {}, Math.max' }],
    test: 'test/unit/node/executor.test.ts'
  },
  {
    name: 'a validator that does not vote keeps its inputs',
    replacements: [
      {
        file: 'node/forwarding/forwarder.ts',
        from: 'this.#unl.includes(this.#options.signer.publicKey) && !this.#options.isSilent()',
        to: 'this.#unl.includes(this.#options.signer.publicKey)'
      }
    ],
    test: 'test/unit/node/forwarding/forwarder.test.ts'
  },
  {
    name: 'attempt not signed',
    replacements: [
      { file: 'codec/signing.ts', from: 'attempt: checkInteger(vote.attempt, 0,', to: 'attempt: checkInteger(0, 0,' }
    ],
    test: 'test/sim/attempt.test.ts'
  },
  {
    name: 'signatures of a certificate not checked',
    replacements: [
      { file: 'ledger/certificate.ts', from: '!verifySignature(validator, signed, signature)', to: 'signed.length < 0' }
    ],
    test: 'test/unit/ledger/certificate.test.ts'
  },
  {
    name: 'certificate without a quorum accepted',
    replacements: [{ file: 'ledger/certificate.ts', from: 'if (signers.size < q)', to: 'if (signers.size < 1)' }],
    test: 'test/unit/ledger/certificate.test.ts'
  },
  {
    name: 'users taken without their proof',
    replacements: [{ file: 'node/proposal-pool.ts', from: 'await this.#proofs.check(validator, users)\n', to: '' }],
    test: 'test/unit/node/proposal-pool.test.ts'
  }
]

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const TEST_MAX_MS = 120_000
const LINKED = ['node_modules', 'package.json', 'tsconfig.json', 'protocols', 'cfg', 'examples', 'docs']

/**
 * Runs the tests of a mutant in a copy of the repository.
 *
 * @param mutant without replacements: the tests as they are
 * @returns name of the first test that fails, null when all pass
 * @throws Error when a text to replace is not there once, or the tests cannot run
 */
export async function runUnitMutant({ name, replacements, test }: UnitMutant): Promise<string | null> {
  const folder = await mkdtemp(join(tmpdir(), 'hp-p2p-mutant-'))
  try {
    for (const part of ['src', 'test']) await cp(join(ROOT, part), join(folder, part), { recursive: true })
    for (const part of LINKED) await symlink(join(ROOT, part), join(folder, part))
    for (const { file, from, to } of replacements) {
      const path = join(folder, 'src', file)
      const text = await readFile(path, 'utf8')
      if (text.split(from).length !== 2) throw new Error(`mutant ${name}: ${file} has not once: ${from}`)
      await writeFile(
        path,
        text.replace(from, () => to)
      )
    }
    await writeFile(join(folder, 'vitest.config.mjs'), `export default { test: { include: ['${test}'], bail: 1 } }\n`)
    return await runTests(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Report {
  success: boolean
  testResults: { message: string; assertionResults: { status: string; fullName: string }[] }[]
}

async function runTests(folder: string): Promise<string | null> {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const output = join(folder, 'report.json')
  const args = [vitest, 'run', '--root', folder, '--reporter=json', `--outputFile=${output}`]
  const said = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { cwd: folder, timeout: TEST_MAX_MS }, (_, stdout, stderr) =>
      resolve(stdout + stderr)
    )
  })
  const text = await readFile(output, 'utf8').catch(() => {
    throw new Error(`the tests did not run: ${said.slice(-500)}`)
  })
  const { success, testResults } = JSON.parse(text) as Report
  const results = testResults.flatMap(({ assertionResults }) => assertionResults)
  if (results.length === 0) throw new Error(`no test ran: ${testResults.map(({ message }) => message).join()} ${said}`)
  if (success) return null
  return results.find(({ status }) => status === 'failed')?.fullName ?? 'the tests'
}
