import { EMPTY_OUTPUTS_ROOT } from '../codec/index.js'
import type { Hash, Ledger, PublicKey } from '../consensus/types.js'
import type { StoredLedger } from './reader.js'
import type { LedgerStore } from './store.js'

/** One line of `ledger ls`; plain JSON. */
export interface LedgerSummary {
  seq: number
  hash: Hash
  prevHash: Hash
  /** ISO 8601; the genesis has 1970-01-01. */
  time: string
  users: number
  inputs: number
  inputBytes: number
  /** What the ledger agreed on about the execution of seq - 1. */
  result: { status: string; stateRoot: Hash; outputsRoot: Hash; configHash: Hash }
  /** Proposals that carried the result, of all that the ledger is built from: "3/4". */
  support: string
  /** null for the genesis. */
  certificate: { attempt: number; signers: number } | null
}

/** A content shortened for reading. */
export interface ContentView {
  bytes: number
  encoding: 'text' | 'hex'
  /** The first bytes. */
  preview: string
}

export interface InputView extends ContentView {
  id: Hash
}

/** `ledger show`; plain JSON of bounded size, whatever the ledger holds. */
export interface LedgerView extends Omit<LedgerSummary, 'certificate'> {
  certificate: { attempt: number; signers: PublicKey[] } | null
  proposals: Hash[]
  networkId: Hash
  usersHash: Hash
  inputsHash: Hash
  userList: { key: PublicKey; inputs: number; inputBytes: number; firstInputs: InputView[] }[]
  /** Users that userList leaves out. */
  usersNotListed: number
  /** Outputs of the execution of this ledger, when they are stored. */
  outputs: { users: number; bytes: number; firstOutputs: (ContentView & { user: PublicKey })[] } | null
}

const USERS_LISTED = 100
const INPUTS_LISTED = 10
const OUTPUTS_LISTED = 100
const PREVIEW_BYTES = 64

/** null when the ledger is not stored. */
export async function summary(store: LedgerStore, seq: number): Promise<LedgerSummary | null> {
  const stored = await store.get(seq)
  return stored === null ? null : summarise(stored)
}

/**
 * @param ref a seq, its decimal digits, a ledger hash (64 hex digits), or "tip"
 * @returns null when there is no such ledger, or it is pruned
 */
export async function view(store: LedgerStore, ref: number | string): Promise<LedgerView | null> {
  const stored = await resolve(store, ref)
  if (stored === null) return null
  const { ledger, certificate } = stored
  const { header } = ledger
  return {
    ...summarise(stored),
    certificate: certificate && {
      attempt: certificate.attempt,
      signers: certificate.signatures.map(({ validator }) => validator)
    },
    proposals: header.proposals,
    networkId: header.networkId,
    usersHash: header.usersHash,
    inputsHash: header.inputsHash,
    userList: listUsers(ledger),
    usersNotListed: Math.max(0, ledger.users.length - USERS_LISTED),
    outputs: await viewOutputs(store, header.seq)
  }
}

async function resolve(store: LedgerStore, ref: number | string): Promise<StoredLedger | null> {
  if (typeof ref === 'number') return await store.get(ref)
  const text = ref.trim().toLowerCase()
  if (text === 'tip') return await store.get(store.tip().seq)
  if (/^[0-9a-f]{64}$/.test(text)) return await store.getByHash(text)
  return /^[0-9]{1,16}$/.test(text) ? await store.get(Number(text)) : null
}

function summarise({ ledger, certificate }: StoredLedger): LedgerSummary {
  const { header } = ledger
  return {
    seq: header.seq,
    hash: ledger.hash,
    prevHash: header.prevHash,
    time: isoTime(header.timeMs),
    users: ledger.users.length,
    inputs: ledger.inputs.length,
    inputBytes: sumBytes(ledger.inputs),
    result: { ...header.result },
    support: `${header.support}/${header.proposals.length}`,
    certificate: certificate && { attempt: certificate.attempt, signers: certificate.signatures.length }
  }
}

/** A time that no calendar has is shown as its number. */
function isoTime(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? String(timeMs) : date.toISOString()
}

/** Users with inputs first, since those are what one looks for. */
function listUsers({ users, inputs }: Ledger): LedgerView['userList'] {
  const byUser = new Map(users.map((user) => [user, [] as Ledger['inputs']]))
  for (const input of inputs) byUser.get(input.user)?.push(input)
  const entries = [...byUser].sort(([, a], [, b]) => Number(b.length > 0) - Number(a.length > 0))
  return entries.slice(0, USERS_LISTED).map(([key, own]) => ({
    key,
    inputs: own.length,
    inputBytes: sumBytes(own),
    firstInputs: own.slice(0, INPUTS_LISTED).map(({ id, content }) => ({ id, ...viewContent(content) }))
  }))
}

async function viewOutputs(store: LedgerStore, seq: number): Promise<LedgerView['outputs']> {
  const kept = await store.getOutputs(seq)
  // Outputs that are none are not kept.
  const isNone = kept === null && (await store.header(seq + 1))?.result.outputsRoot === EMPTY_OUTPUTS_ROOT
  const outputs = isNone ? [] : kept
  if (outputs === null) return null
  const firstOutputs = outputs.slice(0, OUTPUTS_LISTED).map(({ user, content }) => ({ user, ...viewContent(content) }))
  return { users: outputs.length, bytes: sumBytes(outputs), firstOutputs }
}

function sumBytes(contents: readonly { content: Uint8Array }[]): number {
  return contents.reduce((sum, { content }) => sum + content.length, 0)
}

/** Text when it is text that a terminal can show as it is, else hex. */
function viewContent(content: Uint8Array): ContentView {
  const head = Buffer.from(content.subarray(0, PREVIEW_BYTES))
  // A character cut at the end of the preview is no reason to show hex.
  const text = new TextDecoder('utf-8', { ignoreBOM: true })
    .decode(head, { stream: content.length > PREVIEW_BYTES })
    .replace(/[\r\n\t]+$/, '')
  const isText = !/[\p{Cc}\p{Cf}\uFFFD]/u.test(text)
  return { bytes: content.length, encoding: isText ? 'text' : 'hex', preview: isText ? text : head.toString('hex') }
}
