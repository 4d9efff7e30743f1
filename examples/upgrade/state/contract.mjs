#!/usr/bin/env node
// A contract that its owner upgrades. It lies in state/, which the network agrees on, so that a new version that is
// installed by an input is the same on every node, is copied to nodes that come later, and is undone with the ledger
// that installed it when that is void. One command to a line:
//
//   version          the version that runs
//   own              makes the user the owner, while there is none
//   owner            the owner's key
//   install BASE64   puts another program in the place of this one, from the next ledger on; its owner may
//
// A version that cannot even be parsed is refused: it could never be replaced, since who replaces it is the contract.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'

const VERSION = 'one'
const PROGRAM = 'state/contract.mjs'
const NEXT = 'state/next.mjs'
const OWNER = 'state/owner'
const LINE_BYTES_MAX = 2 * 1024 * 1024

const readOwner = () => (existsSync(OWNER) ? readFileSync(OWNER, 'utf8') : null)

function own(user) {
  if (readOwner() !== null) return 'error: it has an owner'
  writeFileSync(OWNER, user)
  return 'ok'
}

function install(user, base64) {
  if (readOwner() !== user) return 'error: only the owner may install'
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return 'error: the program must be base64'
  writeFileSync(NEXT, Buffer.from(base64, 'base64'))
  try {
    execFileSync(process.execPath, ['--check', NEXT], { stdio: 'ignore' })
  } catch {
    rmSync(NEXT)
    return 'error: that is no JavaScript module'
  }
  chmodSync(NEXT, 0o755)
  renameSync(NEXT, PROGRAM)
  return 'ok: it runs from the next ledger on'
}

function answer(user, line) {
  const [command, ...rest] = line.trim().split(/\s+/)
  if (command === 'version') return VERSION
  if (command === 'own') return own(user)
  if (command === 'owner') return readOwner() ?? 'nobody'
  if (command === 'install' && rest.length === 1) return install(user, rest[0])
  return 'error: say "version", "own", "owner" or "install BASE64"'
}

function reply(fd, text) {
  const bytes = Buffer.from(text)
  for (let sent = 0; sent < bytes.length; ) {
    try {
      sent += writeSync(fd, bytes, sent)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
  }
}

const { user: users } = JSON.parse(readFileSync(0, 'utf8'))
for (const [user, [input, output]] of Object.entries(users)) {
  for (const line of readFileSync(input, 'utf8').split('\n')) {
    if (line === '') continue
    reply(output, `${line.length > LINE_BYTES_MAX ? 'error: too long' : answer(user, line)}\n`)
  }
}
