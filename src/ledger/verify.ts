import { setImmediate as nextTurn } from 'node:timers/promises'
import { CodecError, EMPTY_OUTPUTS_ROOT, outputsRootOf } from '../codec/index.js'
import type { LedgerHeader } from '../consensus/types.js'
import { findClosingProblem, findLedgerProblem, type LedgerLink } from './check.js'
import { LedgerStoreError } from './errors.js'
import type { LedgerStore } from './store.js'

export interface VerifyOptions {
  /** Default: the oldest ledger kept. */
  from?: number
  /** Default: the tip. */
  to?: number
  /** Called now and then with the seq just checked. */
  onProgress?: (seq: number, lastSeq: number) => void
  /** Aborting ends with the signal's reason as error. */
  signal?: AbortSignal
}

export interface VerifyReport {
  ok: boolean
  /** Ledgers found good. */
  checked: number
  /** The range asked for, within what is kept. */
  firstSeq: number
  lastSeq: number
  /** Executions whose agreed outputs are not stored here, which is no fault: the node may have skipped them. */
  outputsMissing: number
  problem: { seq: number; what: string } | null
}

const PROGRESS_EVERY = 256

/**
 * Checks the stored chain again, offline: each header against its hash and the one before, rising time, users and
 * inputs against the header, the certificate against the UNL that the ledger before agreed on, stored outputs against
 * the root that the ledger after agreed on. Ends at the first problem.
 */
export async function verifyChain(store: LedgerStore, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { onProgress, signal } = options
  const firstSeq = Math.max(options.from ?? 1, store.first())
  const lastSeq = Math.min(options.to ?? store.tip().seq, store.tip().seq)
  const report: VerifyReport = { ok: true, checked: 0, firstSeq, lastSeq, outputsMissing: 0, problem: null }
  const fail = (seq: number, what: string): VerifyReport => ({ ...report, ok: false, problem: { seq, what } })
  let seq = firstSeq - 1
  try {
    const base = await readBase(store, seq)
    if (typeof base === 'string') return fail(seq, base)
    let previous = base
    for (seq = firstSeq; seq <= lastSeq; seq++) {
      signal?.throwIfAborted()
      const checked = await checkLedger(store, seq, previous)
      if (typeof checked === 'string') return fail(seq, checked)
      previous = checked
      const outputs = await checkOutputs(store, previous.header)
      if (outputs === 'missing') report.outputsMissing++
      else if (outputs !== null) return fail(seq - 1, outputs)
      report.checked++
      if (seq % PROGRESS_EVERY === 0 || seq === lastSeq) {
        onProgress?.(seq, lastSeq)
        await nextTurn()
      }
    }
    const { hash } = store.tip()
    if (lastSeq === store.tip().seq && previous.hash !== hash) return fail(lastSeq, `it is not the tip ${hash}`)
    return report
  } catch (error) {
    if (error instanceof CodecError) return fail(seq, error.message)
    if (error instanceof LedgerStoreError && error.code === 'damaged') return fail(seq, error.message)
    throw error
  }
}

/** The ledger before the first one checked; when all before it is pruned, its certificate is what there is to check. */
async function readBase(store: LedgerStore, seq: number): Promise<LedgerLink | string> {
  const base = await store.link(seq)
  if (base === null) return 'it is missing'
  if (seq === 0) return base
  const config = await store.configAt(seq)
  if (config === null) return 'the config in force for it is missing'
  const certificate = await store.certificate(seq)
  if (certificate === null) return 'its certificate is missing'
  return findClosingProblem(base, certificate, config) ?? base
}

async function checkLedger(store: LedgerStore, seq: number, previous: LedgerLink): Promise<LedgerLink | string> {
  const config = await store.getConfig(previous.header.result.configHash)
  if (config === null) return `the config ${previous.header.result.configHash} in force for it is missing`
  const stored = await store.get(seq)
  if (stored === null || stored.certificate === null) return 'it is missing'
  const { ledger, certificate } = stored
  return findLedgerProblem(ledger, certificate, previous, config) ?? { header: ledger.header, hash: ledger.hash }
}

/** Outputs of the ledger before `header`, on which `header` agrees. */
async function checkOutputs(store: LedgerStore, header: LedgerHeader): Promise<string | 'missing' | null> {
  const seq = header.seq - 1
  if (seq < store.first() || header.result.status !== 'ok') return null
  const outputs = await store.getOutputs(seq)
  const agreed = header.result.outputsRoot
  if (outputs === null) return agreed === EMPTY_OUTPUTS_ROOT ? null : 'missing'
  const root = outputsRootOf(outputs)
  return root === agreed ? null : `outputs have root ${root}, ledger ${header.seq} agreed on ${agreed}`
}
