import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parseManifest } from '../../../src/cli/devnet/manifest.js'
import { CliError } from '../../../src/cli/errors.js'
import { HotPocketClientError, loadOrCreateKeyFile } from '../../../src/client/node.js'
import {
  CONFIG_KEY_NAMES,
  ConfigError,
  loadConfig,
  parseConfigText,
  peerToMultiaddr
} from '../../../src/config/index.js'
import { findJsonProblem } from '../../../src/config/json.js'
import { checkConfigShape } from '../../../src/config/read.js'
import { createKeyPair, isKeyPair } from '../../../src/crypto/index.js'
import { claim, target } from '../engine/target.js'
import { makeTempDir, mustWork, textOf, UNL, utf8 } from './shared.js'

const KEYS = createKeyPair(Buffer.alloc(32, 1))
const SECRET = Buffer.from(KEYS.secretKey).toString('hex')

const SMALL = { pubkey: KEYS.publicKey, seckey: SECRET, binary: 'bin/contract', unl: [KEYS.publicKey] }
const LARGE = {
  hotpocket: '0.1',
  ...SMALL,
  keytype: 'ed25519',
  binargs: ['-u', 'bin/contract.py'],
  peers: ['10.0.0.2:22860', '/dns4/node.example.org/tcp/443/wss', '[2001:db8::1]:22860'],
  unl: UNL,
  ip: '0.0.0.0',
  peerport: '22860',
  tcpport: 0,
  pubport: 8080,
  roundtime: 1000,
  history: 'full',
  loglevel: 'info',
  contractid: 'a contract',
  threshold: 80
}

/** Nothing that a program could do with a JSON text tells it from another; the texts that are repeated may differ. */
function readJson(text: string): { value: unknown } | null {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return null
  }
}

/** True when the text nests deeper than a configuration may. */
function nestsDeeply(text: string): boolean {
  let depth = 0
  let deepest = 0
  for (const character of text.replace(/"(?:[^"\\]|\\.)*"/g, '""')) {
    if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth)
    else if (character === '}' || character === ']') depth--
  }
  return deepest > 30
}

export const configTargets = [
  target('json', 'a text is JSON for hp.cfg exactly when it is for JSON.parse, save repeated keys and depth', () => ({
    shape: 'json',
    errors: [],
    seeds: [JSON.stringify(LARGE), '[1,-0.5e+3,"\\u00e9\\n",true,false,null,{},[]]', ' {"a" : [ ] } ', '""', '0'].map(
      utf8
    ),
    run: (input) => {
      const text = textOf(input)
      const problem = findJsonProblem(text)
      const parsed = readJson(text)
      if (problem === null) {
        claim(parsed !== null, 'it is sound, and JSON.parse does not take it')
        return 'sound'
      }
      claim(problem.line >= 1 && problem.column >= 1, 'the place of the fault is none')
      claim(
        parsed === null || problem.kind === 'duplicate-key' || nestsDeeply(text),
        `JSON.parse takes it: ${problem.reason}`
      )
      return `${problem.kind} ${problem.reason.replace(/"(\\.|.)*"/, '')}`
    }
  })),
  target('config-values', 'the values of hp.cfg are refused with a line each, or their normal form is lasting', () => ({
    shape: 'json',
    errors: [ConfigError],
    words: [...CONFIG_KEY_NAMES, KEYS.publicKey, SECRET, 'full', 'trace', '/ip4/1.2.3.4/tcp/1/ws', 'host:1'],
    seeds: [SMALL, LARGE].map((value) => utf8(JSON.stringify(value))),
    run: (input) => {
      const raw = checkConfigShape(parseConfigText(textOf(input)))
      const again = mustWork('reading its normal form', () => checkConfigShape(parseConfigText(JSON.stringify(raw))))
      claim(isDeepStrictEqual(again, raw), 'the normal form becomes another one')
      return 'read'
    }
  })),
  target(
    'config-file',
    'a file hp.cfg is refused with a line for each mistake, or gives a configuration',
    () => {
      const dir = makeTempDir()
      mkdirSync(join(dir.path, 'cfg'))
      const path = join(dir.path, 'cfg', 'hp.cfg')
      return {
        shape: 'json',
        errors: [ConfigError],
        words: [...CONFIG_KEY_NAMES, KEYS.publicKey, SECRET],
        seeds: [SMALL, LARGE].map((value) => utf8(JSON.stringify(value))),
        run: async (input) => {
          writeFileSync(path, input, { mode: 0o600 })
          const config = await loadConfig(dir.path, { checkFiles: false })
          claim(isKeyPair(config.keys.publicKey, config.keys.secretKey), 'keys that do not belong together')
          claim(config.consensus.minRoundtimeMs <= config.consensus.roundtimeMs, 'minroundtime is above roundtime')
          return config.isValidator ? 'validator' : 'observer'
        },
        close: dir.remove
      }
    },
    0.1
  ),
  target('peer-shorthand', 'host:port is no address, or becomes a multiaddr that hp.cfg takes', () => ({
    shape: 'text',
    errors: [],
    words: [':', '[', ']', '::1', '.', '-', '65535', '65536', '0'],
    seeds: ['10.0.0.2:22860', 'node.example.org:443', '[2001:db8::1]:1', 'localhost:65535'].map(utf8),
    run: (input) => {
      const address = peerToMultiaddr(textOf(input))
      if (address === null) return 'none'
      mustWork(`using ${address}`, () => checkConfigShape({ ...SMALL, peers: [address] }))
      return address.split('/')[1]
    }
  })),
  target('contract-manifest', 'a contract.json is refused with its place, or gives a manifest', () => ({
    shape: 'json',
    errors: [CliError],
    words: ['name', 'description', 'binary', 'binargs', 'build', 'fallback', 'state', 'sample', '../..'],
    seeds: [
      { name: 'echo', description: 'Says it louder.', binary: 'bin/echo', binargs: '', sample: ['hello'] },
      {
        name: 'echo-c',
        description: '',
        binary: 'bin/echo',
        binargs: ['-v'],
        build: ['cc', '-O2', 'echo.c'],
        fallback: 'echo',
        state: 'state',
        sample: []
      }
    ].map((value) => utf8(JSON.stringify(value))),
    run: (input) => {
      const manifest = parseManifest(textOf(input), 'contract.json')
      const again = mustWork('reading it again', () => parseManifest(JSON.stringify(manifest), 'contract.json'))
      claim(isDeepStrictEqual(again, manifest), 'it changes when written and read')
      return 'read'
    }
  })),
  target(
    'key-file',
    'a key file is refused in words, or gives keys that belong together',
    () => {
      const dir = makeTempDir()
      const path = join(dir.path, 'user.key')
      return {
        shape: 'json',
        errors: [HotPocketClientError],
        words: ['keytype', 'pubkey', 'seckey', 'ed25519', KEYS.publicKey, SECRET],
        seeds: [
          utf8(JSON.stringify({ keytype: 'ed25519', pubkey: KEYS.publicKey, seckey: SECRET })),
          utf8('null'),
          new Uint8Array(0)
        ],
        run: async (input) => {
          writeFileSync(path, input, { mode: 0o600 })
          const keys = await loadOrCreateKeyFile(path)
          claim(isKeyPair(keys.publicKey, keys.secretKey), 'keys that do not belong together')
        },
        close: dir.remove
      }
    },
    0.1
  )
]
