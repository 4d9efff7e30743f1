import { stat } from 'node:fs/promises'
import type { DoctorCheck } from '../../admin/index.js'
import { contractPaths } from '../../config/index.js'
import type { Hash, PublicKey } from '../../consensus/types.js'
import { inspectJournalFile, JournalError } from '../journal.js'
import { check, formatSize } from './check.js'

/** What this validator has said, as far as it must be kept. */
export async function examineJournal(dir: string, networkId: Hash, key: PublicKey): Promise<DoctorCheck> {
  const name = 'journal'
  try {
    const { records, bytes } = await inspectJournalFile(contractPaths(dir).journal, networkId, key)
    return check(name, 'ok', `${records} records, ${formatSize(bytes)}`)
  } catch (error) {
    // Its words say what to do.
    if (error instanceof JournalError) return check(name, 'problem', error.message)
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') return check(name, 'problem', message, 'check the owner and the mode of hist/')
    const advice = 'nothing: a validator without it leaves the next ledger to the others, once'
    return check(name, 'note', 'there is none yet', advice)
  }
}

/** Others must not read the secret key. */
export async function examineSecret(dir: string): Promise<DoctorCheck> {
  const { config } = contractPaths(dir)
  const { mode } = await stat(config)
  if ((mode & 0o077) === 0) return check('secret key', 'ok', 'only its owner can read it')
  return check('secret key', 'warning', `others can read ${config}`, `\`chmod 600 ${config}\``)
}
