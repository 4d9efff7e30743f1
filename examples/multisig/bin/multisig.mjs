#!/usr/bin/env node
// Every node signs each line that a user sends with a key of its own; the user gets one document a line:
//
//   {"text":"...","signatures":[{"node":"<64 hex>","key":"<64 hex>","signature":"<128 hex>"},...]}
//
// A signature is ed25519 over the UTF-8 bytes of the text; at least two thirds of the UNL have signed.
//
// The key. A contract cannot read its node's secret key, and state/ is the same on every node, so each node's contract
// makes a key at its first run and keeps it beside the state, in multisig/key.pem. The party line names the node that
// a message comes from and the node proves it, so the message that carries a key also says whose key it is.
//
// One document. The nodes must all write the same bytes, though messages may be late or lost for some of them. So
// there are two rounds: first everyone sends its signatures, then everyone sends which nodes' signatures it has (by
// hash). A node's signatures go into the document when two thirds of the UNL say that they have the same ones. No
// fixed number of rounds can make this certain when messages get lost. It need not: a node that still arrives at
// another document is outvoted when the network agrees on the outputs, as with any contract that went wrong on one node.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'

/** How long a round waits for nodes that say nothing: they may be down. */
const ROUND_MS = 1_000
const TEXTS_MAX = 200
const TEXT_BYTES_MAX = 4_096
const MESSAGE_BYTES_MAX = 131_072
const KEY_DIR = 'multisig'
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

function loadKey() {
  const path = `${KEY_DIR}/key.pem`
  try {
    return createPrivateKey(readFileSync(path))
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  mkdirSync(KEY_DIR, { recursive: true, mode: 0o700 })
  chmodSync(KEY_DIR, 0o700)
  const { privateKey } = generateKeyPairSync('ed25519')
  writeFileSync(`${path}.new`, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
  renameSync(`${path}.new`, path)
  return privateKey
}

const rawPublicKey = (key) => createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')
const parsePublicKey = (hex) =>
  createPublicKey({ key: Buffer.concat([SPKI_PREFIX, Buffer.from(hex, 'hex')]), format: 'der', type: 'spki' })
const isHex = (value, digits) => typeof value === 'string' && value.length === digits && /^[0-9a-f]+$/.test(value)
const hashOf = (value) => createHash('sha256').update(JSON.stringify(value)).digest('hex')

/** Every user's lines in an order that is the same on all nodes. */
function collectTexts(users) {
  const texts = []
  const refusals = []
  for (const [user, [input, output]] of Object.entries(users).sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const text of readFileSync(input, 'utf8').split('\n')) {
      if (text === '') continue
      if (Buffer.byteLength(text) > TEXT_BYTES_MAX) {
        refusals.push({ output, error: `a line is longer than ${TEXT_BYTES_MAX} bytes` })
      } else if (texts.length >= TEXTS_MAX) {
        refusals.push({ output, error: `more than ${TEXTS_MAX} lines in one ledger: send the rest again` })
        break
      } else texts.push({ user, output, text })
    }
  }
  return { texts, refusals }
}

/** A node's signatures of all texts, or null when they are not what they should be. */
function checkSignatures(message, texts) {
  const { key, signatures } = message
  if (!isHex(key, 64) || !Array.isArray(signatures) || signatures.length !== texts.length) return null
  try {
    const publicKey = parsePublicKey(key)
    const areValid = signatures.every(
      (signature, index) =>
        isHex(signature, 128) && verify(null, Buffer.from(texts[index].text), publicKey, Buffer.from(signature, 'hex'))
    )
    return areValid ? { key, signatures } : null
  } catch {
    return null
  }
}

/** A node's list of what it has: node -> hash, or null. */
function checkView(message, unl) {
  const { has } = message
  if (typeof has !== 'object' || has === null) return null
  return new Map(unl.flatMap((node) => (isHex(has[node], 64) ? [[node, has[node]]] : [])))
}

/** Calls `onMessage(node, bytes)` for each message of the party line; throws away what is not one. */
function listen(fd, onMessage) {
  const socket = new Socket({ fd, readable: true, writable: false })
  let waiting = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    waiting = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk])
    for (;;) {
      const headEnd = waiting.indexOf('\n\n')
      if (headEnd < 0) return
      const head = /^Length: (\d{1,6})\nPubkey: ([0-9a-f]{64})$/.exec(waiting.toString('latin1', 0, headEnd))
      if (head === null) throw new Error('the party line is not what it should be')
      const end = headEnd + 2 + Number(head[1])
      if (waiting.length < end) return
      onMessage(head[2], waiting.subarray(headEnd + 2, end))
      waiting = waiting.subarray(end)
    }
  })
  socket.on('error', () => {})
  return socket
}

class Rounds {
  constructor(list, texts) {
    this.unl = list.unl
    this.texts = texts
    this.writeFd = list.npl[1]
    /** node -> { key, signatures } */
    this.signed = new Map()
    /** node -> Map(node -> hash) */
    this.views = new Map()
    this.onProgress = () => {}
    this.socket = listen(list.npl[0], (node, bytes) => this.receive(node, bytes))
  }

  receive(node, bytes) {
    if (!this.unl.includes(node)) return
    let message
    try {
      message = JSON.parse(bytes.toString('utf8'))
    } catch {
      return
    }
    // A node's first word counts.
    if (message?.round === 1 && !this.signed.has(node)) {
      const checked = checkSignatures(message, this.texts)
      if (checked !== null) this.signed.set(node, checked)
    } else if (message?.round === 2 && !this.views.has(node)) {
      const view = checkView(message, this.unl)
      if (view !== null) this.views.set(node, view)
    }
    this.onProgress()
  }

  send(message) {
    const bytes = Buffer.from(JSON.stringify(message))
    if (bytes.length > MESSAGE_BYTES_MAX) throw new Error('a message is too long for the party line')
    writeSync(this.writeFd, bytes)
  }

  /** Until `isDone()` or the time is over. */
  wait(isDone) {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer)
        this.onProgress = () => {}
        resolve()
      }
      const timer = setTimeout(finish, ROUND_MS)
      this.onProgress = () => isDone() && finish()
      this.onProgress()
    })
  }

  async run(privateKey) {
    const signatures = this.texts.map(({ text }) => sign(null, Buffer.from(text), privateKey).toString('hex'))
    this.send({ round: 1, key: rawPublicKey(privateKey), signatures })
    await this.wait(() => this.signed.size === this.unl.length)
    const has = Object.fromEntries([...this.signed].map(([node, content]) => [node, hashOf(content)]))
    this.send({ round: 2, has })
    // Only from those who spoke: another node is down, or so late that it is left out.
    await this.wait(() => [...this.signed.keys()].every((node) => this.views.has(node)))
    this.socket.destroy()
    return this.decide()
  }

  /** The nodes whose signatures are in the document, sorted; null when too few. */
  decide() {
    const quorum = Math.floor((2 * this.unl.length) / 3) + 1
    const signers = [...this.unl].sort().filter((node) => {
      const content = this.signed.get(node)
      if (content === undefined) return false
      const hash = hashOf(content)
      return [...this.views.values()].filter((view) => view.get(node) === hash).length >= quorum
    })
    return signers.length >= quorum ? signers : null
  }
}

function writeLine(fd, value) {
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`)
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(fd, bytes, sent)
}

const list = JSON.parse(readFileSync(0, 'utf8'))
const { texts, refusals } = collectTexts(list.user)
if (texts.length > 0) {
  const rounds = new Rounds(list, texts)
  const signers = await rounds.run(loadKey())
  for (const [index, { output, text }] of texts.entries()) {
    if (signers === null) writeLine(output, { text, error: 'too few nodes signed in time: send it again' })
    else {
      const signatures = signers.map((node) => {
        const { key, signatures: all } = rounds.signed.get(node)
        return { node, key, signature: all[index] }
      })
      writeLine(output, { text, signatures })
    }
  }
}
for (const { output, error } of refusals) writeLine(output, { error })
