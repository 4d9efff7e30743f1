import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { MAIN } from '../helpers/node-process.js'

interface Change {
  /** Below dist. */
  file: string
  from: string
  to: string
}

export interface OtherVersion {
  name: string
  changes: Change[]
  /** In the log or the list of peers of the node that runs it. */
  says: RegExp
}

/** What a later version of the wire protocol could change. */
export const OTHER_VERSIONS: OtherVersion[] = [
  {
    name: 'protocol version 2 in hello',
    changes: [{ file: 'network/types.js', from: 'PROTOCOL_VERSION = 1', to: 'PROTOCOL_VERSION = 2' }],
    says: /your protocol version [^"]*/
  },
  {
    name: 'protocol id /hp/hello/2',
    changes: [{ file: 'network/hello.js', from: "'/hp/hello/1'", to: "'/hp/hello/2'" }],
    says: /runs a version of hp-p2p that cannot talk with this one/
  }
]

/** A copy of the program under test, changed as `version` says, in `dir`. Returns what to run. */
export function buildOtherVersion(dir: string, version: OtherVersion): string {
  const dist = dirname(dirname(MAIN))
  const root = dirname(dist)
  mkdirSync(dir, { recursive: true })
  cpSync(dist, join(dir, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(dir, 'package.json'))
  symlinkSync(resolve(root, 'node_modules'), join(dir, 'node_modules'))
  for (const { file, from, to } of version.changes) {
    const path = join(dir, 'dist', file)
    const text = readFileSync(path, 'utf8')
    if (!text.includes(from)) throw new Error(`${file} does not hold ${from}: bring OTHER_VERSIONS up to date`)
    writeFileSync(path, text.replaceAll(from, to))
  }
  return join(dir, 'dist', 'cli', 'main.js')
}
