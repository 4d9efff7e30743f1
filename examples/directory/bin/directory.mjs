#!/usr/bin/env node
// A directory of names, each owned by a key. A request is a JSON object; a user may send several, with or without
// white space between them. Each is answered by one line of JSON.
//
//   {"cmd":"create","name":"hp.<category>.<name>","unl":["<64 hex>",...],"peer":["<host>:<port>",...],"pubkey":"<64 hex>"}
//   {"cmd":"update","name":...}  with at least one of unl, peer, pubkey (a new owner); only its owner may
//   {"cmd":"delete","name":...}  only its owner may
//   {"cmd":"read","name":...}    {"success":true,"name":...,"unl":[...],"peer":[...],"pubkey":...}
//
// Without "pubkey" the owner is the user who creates the name. Other answers: {"success":true|false,"info":"..."}.
// State: one file for each name, state/<name in hex>, always written in the same form.
import { mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync, writeSync } from 'node:fs'

const STATE = 'state'
const NAMES_MAX = 10_000
const NAME_LENGTH_MAX = 30
const LIST_MAX = 128
const REQUEST_CHARS_MAX = 65_536
const REQUESTS_MAX = 1_000
const NAME = /^hp\.[a-z0-9-]+\.[a-z0-9.-]+$/
const KEY = /^[0-9a-f]{64}$/
const PEER = /^[A-Za-z0-9.:[\]_-]{1,253}:[0-9]{1,5}$/

class RequestError extends Error {}

const isListOf = (value, pattern) =>
  Array.isArray(value) &&
  value.length <= LIST_MAX &&
  value.every((item) => typeof item === 'string' && pattern.test(item))

const FIELDS = {
  unl: [(value) => isListOf(value, KEY), `a list of at most ${LIST_MAX} public keys (64 hex digits)`],
  peer: [(value) => isListOf(value, PEER), `a list of at most ${LIST_MAX} addresses "host:port"`],
  pubkey: [(value) => typeof value === 'string' && KEY.test(value), 'a public key (64 hex digits)']
}

function checkFields(request, required) {
  for (const [field, [isValid, form]] of Object.entries(FIELDS)) {
    if (!Object.hasOwn(request, field)) {
      if (required.includes(field)) throw new RequestError(`missing key ${field}: ${form}`)
    } else if (!isValid(request[field])) throw new RequestError(`${field} must be ${form}`)
  }
}

const pathOf = (name) => `${STATE}/${Buffer.from(name).toString('hex')}`

function readEntry(name) {
  try {
    return JSON.parse(readFileSync(pathOf(name), 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return null
    throw error
  }
}

function writeEntry(name, { unl, peer, pubkey }) {
  writeFileSync(pathOf(name), `${JSON.stringify({ name, unl, peer, pubkey })}\n`)
}

function readOwnEntry(user, name) {
  const entry = readEntry(name)
  if (entry === null) throw new RequestError('the name does not exist')
  if (entry.pubkey !== user) throw new RequestError('you do not own this name')
  return entry
}

const COMMANDS = {
  create(user, request) {
    checkFields(request, ['unl', 'peer'])
    if (readEntry(request.name) !== null) throw new RequestError('the name is taken')
    if (readdirSync(STATE).length >= NAMES_MAX) throw new RequestError('the directory is full')
    writeEntry(request.name, { pubkey: user, ...request })
    return { info: 'name was created' }
  },
  update(user, request) {
    if (!Object.keys(FIELDS).some((field) => Object.hasOwn(request, field))) {
      throw new RequestError('name at least one of unl, peer, pubkey to update')
    }
    checkFields(request, [])
    writeEntry(request.name, { ...readOwnEntry(user, request.name), ...request })
    return { info: 'name was updated' }
  },
  delete(user, request) {
    readOwnEntry(user, request.name)
    unlinkSync(pathOf(request.name))
    return { info: 'name was deleted' }
  },
  read(_user, request) {
    const entry = readEntry(request.name)
    if (entry === null) throw new RequestError('the name does not exist')
    return entry
  }
}

function answerRequest(user, text) {
  try {
    if (text === null)
      throw new RequestError(`malformed request: send JSON objects of at most ${REQUEST_CHARS_MAX} characters`)
    let request
    try {
      request = JSON.parse(text)
    } catch {
      throw new RequestError('malformed request: not valid JSON')
    }
    const { cmd, name } = request
    if (typeof cmd !== 'string' || !Object.hasOwn(COMMANDS, cmd))
      throw new RequestError('invalid cmd: create, update, delete or read')
    if (typeof name !== 'string') throw new RequestError('missing key name')
    if (name.length > NAME_LENGTH_MAX) throw new RequestError(`the name is longer than ${NAME_LENGTH_MAX} characters`)
    if (!NAME.test(name)) throw new RequestError('the name must be hp.<category>.<name> in a-z, 0-9 and -')
    return { success: true, ...COMMANDS[cmd](user, request) }
  } catch (error) {
    if (error instanceof RequestError) return { success: false, info: error.message }
    throw error
  }
}

/** The JSON objects of the text, in order; null for anything else between them, or for one that is too long or cut off. */
function* splitObjects(text) {
  let start = -1
  let depth = 0
  let inString = false
  let isGarbage = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (start < 0) {
      if (char === '{') {
        if (isGarbage) yield null
        isGarbage = false
        start = at
        depth = 1
        inString = false
      } else if (!/\s/.test(char)) isGarbage = true
    } else if (inString) {
      if (char === '\\') at++
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === '{' || char === '[') depth++
    else if ((char === '}' || char === ']') && --depth === 0) {
      yield at - start < REQUEST_CHARS_MAX ? text.slice(start, at + 1) : null
      start = -1
    }
  }
  if (start >= 0 || isGarbage) yield null
}

function writeAll(fd, text) {
  const bytes = Buffer.from(text)
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(fd, bytes, sent)
}

mkdirSync(STATE, { recursive: true })
const { user: users } = JSON.parse(readFileSync(0, 'utf8'))
for (const [user, [input, output]] of Object.entries(users)) {
  const answers = []
  for (const text of splitObjects(readFileSync(input, 'utf8'))) {
    if (answers.length === REQUESTS_MAX) {
      answers.push({ success: false, info: `only ${REQUESTS_MAX} requests in a ledger: send the rest again` })
      break
    }
    answers.push(answerRequest(user, text))
  }
  if (answers.length > 0) writeAll(output, answers.map((answer) => `${JSON.stringify(answer)}\n`).join(''))
}
