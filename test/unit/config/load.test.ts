import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  ConfigError,
  type ConfigErrorCode,
  checkPorts,
  loadConfig,
  type NodeConfig,
  peerToMultiaddr
} from '../../../src/config/index.js'
import { createKeyPair } from '../../../src/crypto/index.js'

const keys = createKeyPair(Buffer.alloc(32, 1))
const other = createKeyPair(Buffer.alloc(32, 2))
const secret = Buffer.from(keys.secretKey).toString('hex')

/** The prototype's own sample, but for the place of node. */
const prototype = {
  hotpocket: '0.1',
  pubkey: keys.publicKey,
  seckey: secret,
  keytype: 'ed25519',
  binary: process.execPath,
  binargs: 'bin/contract.js',
  peers: [] as string[],
  unl: [keys.publicKey],
  ip: '0.0.0.0',
  peerport: '22860',
  roundtime: '1000',
  pubport: '8080',
  pubmaxsize: '65536',
  pubmaxcpm: '100'
}

let dir: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hp-config-'))
  await mkdir(join(dir, 'cfg'))
})

afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

async function writeText(text: string, mode = 0o600): Promise<void> {
  const path = join(dir, 'cfg', 'hp.cfg')
  await writeFile(path, text)
  await chmod(path, mode)
}

async function loadWith(change: Record<string, unknown>): Promise<NodeConfig> {
  await writeText(JSON.stringify({ ...prototype, ...change }))
  return loadConfig(dir)
}

async function failureOf(promise: Promise<unknown>): Promise<ConfigError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason
  )
  expect(error).toBeInstanceOf(ConfigError)
  return error as ConfigError
}

describe('a sound configuration', () => {
  it('takes the prototype\u2019s file as it is', async () => {
    const config = await loadWith({})
    expect(config).toMatchObject({
      dir,
      contractId: 'hotpocket',
      keys: { publicKey: keys.publicKey },
      consensus: {
        unl: [keys.publicKey],
        threshold: 67,
        roundtimeMs: 1000,
        minRoundtimeMs: 0,
        ledgerInputBytes: 8388608
      },
      network: { host: '0.0.0.0', wsPort: 22860, tcpPort: null, peers: [], announce: [] },
      users: { port: 8080, tls: null, limits: { messageBytes: 65536, messagesPerMinute: 100 } },
      contract: { binary: process.execPath, args: ['bin/contract.js'] },
      history: 'full',
      isValidator: true,
      warnings: []
    })
    expect(Buffer.from(config.keys.secretKey).toString('hex')).toBe(secret)
  })

  it('has the same consensus parameters for every member of a prototype network', async () => {
    const unl = [keys.publicKey, other.publicKey]
    const first = await loadWith({ unl, peers: ['10.0.0.2:22860'] })
    const pair = { pubkey: other.publicKey, seckey: Buffer.from(other.secretKey).toString('hex') }
    const second = await loadWith({ ...pair, unl: [...unl].reverse(), pubport: '8081', peers: ['10.0.0.1:22860'] })
    expect(second.consensus).toEqual(first.consensus)
    expect(second.contractId).toBe(first.contractId)
  })

  it('takes numbers as numbers and as strings, and arguments as an array', async () => {
    const config = await loadWith({
      roundtime: 250,
      minroundtime: '20',
      tcpport: '22861',
      binargs: ['a b', ''],
      pubmaxcpm: 0,
      pubmaxconnrate: '0',
      pubmaxaddrconnrate: 7
    })
    expect(config.consensus).toMatchObject({ roundtimeMs: 250, minRoundtimeMs: 20 })
    expect(config.network.tcpPort).toBe(22861)
    expect(config.contract.args).toEqual(['a b', ''])
    const unlimited = 2 ** 31 - 1
    expect(config.users.limits).toMatchObject({
      messagesPerMinute: unlimited,
      connectionsPerSecond: unlimited,
      addressConnectionsPerSecond: 7
    })
  })

  it('turns ports off with 0 and null', async () => {
    const config = await loadWith({ peerport: '0', tcpport: null, pubport: 0 })
    expect([config.network.wsPort, config.network.tcpPort, config.users.port]).toEqual([null, null, null])
    expect(config.warnings.join()).toContain('no peer can dial this node')
  })

  it('normalises peers, keys and paths', async () => {
    await mkdir(join(dir, 'bin'))
    await writeFile(join(dir, 'bin', 'contract'), '#!/bin/sh\n', { mode: 0o755 })
    const config = await loadWith({
      binary: 'bin/contract',
      pubkey: keys.publicKey.toUpperCase(),
      unl: [other.publicKey.toUpperCase(), keys.publicKey],
      peers: ['10.0.0.2:22860', '/ip4/10.0.0.2/tcp/22860/ws', 'node.example:1', '[::1]:2']
    })
    expect(config.contract.binary).toBe(join(dir, 'bin', 'contract'))
    expect(config.keys.publicKey).toBe(keys.publicKey)
    expect(config.consensus.unl).toEqual([keys.publicKey, other.publicKey].sort())
    expect(config.network.peers).toEqual([
      '/ip4/10.0.0.2/tcp/22860/ws',
      '/dns4/node.example/tcp/1/ws',
      '/ip6/::1/tcp/2/ws'
    ])
  })

  it('finds a bare name on PATH', async () => {
    expect((await loadWith({ binary: 'sh' })).contract.binary).toMatch(/^\/.*\/sh$/)
  })

  it('leaves the contract alone when asked to', async () => {
    await writeText(JSON.stringify({ ...prototype, binary: 'bin/none' }))
    expect((await loadConfig(dir, { checkFiles: false })).contract.binary).toBe(join(dir, 'bin', 'none'))
  })

  it('warns of an observer and of a file that others can read', async () => {
    await writeText(JSON.stringify({ ...prototype, unl: [other.publicKey] }), 0o644)
    const config = await loadConfig(dir)
    expect(config.isValidator).toBe(false)
    expect(config.warnings).toHaveLength(3)
    expect(config.warnings.join('\n')).toMatch(/chmod 600[\s\S]*observer[\s\S]*peers is empty/)
  })
})

/** Change to the prototype's file, code, key, words that must be in the one line. */
const mistakes: [string, Record<string, unknown>, ConfigErrorCode, string, RegExp][] = [
  [
    'an unknown key near a known one',
    { rountime: 5 },
    'unknown-key',
    'rountime',
    /unknown key "rountime": did you mean "roundtime"\?/
  ],
  ['an unknown key in another case', { pubPort: 5 }, 'unknown-key', 'pubPort', /did you mean "pubport"/],
  ['an unknown key far from all', { colour: 5 }, 'unknown-key', 'colour', /unknown key "colour": remove it/],
  ['a key named like a part of Object', { constructor: 5 }, 'unknown-key', 'constructor', /unknown key "constructor"/],
  ['another version', { hotpocket: '0.2' }, 'wrong-value', 'hotpocket', /hotpocket must be "0.1"/],
  ['another kind of key', { keytype: 'rsa' }, 'wrong-value', 'keytype', /keytype must be "ed25519"; it is "rsa"/],
  ['a short public key', { pubkey: 'ab' }, 'wrong-value', 'pubkey', /pubkey must be 64 hex digits; it is "ab"/],
  ['no public key', { pubkey: undefined }, 'missing-key', 'pubkey', /pubkey is missing: `hp-p2p rekey/],
  [
    'a short secret key',
    { seckey: 'ab' },
    'wrong-value',
    'seckey',
    /seckey must be 128 hex digits; it has 2 characters/
  ],
  [
    'a key pair that does not match',
    { pubkey: other.publicKey },
    'key-pair',
    'seckey',
    /seckey does not belong to pubkey: .*rekey/
  ],
  ['no contract', { binary: undefined }, 'missing-key', 'binary', /binary is missing: put in the path/],
  ['a number as contract', { binary: 5 }, 'wrong-value', 'binary', /binary must be a path of 1 to 4096 bytes; it is 5/],
  [
    'a contract that is not there',
    { binary: 'bin/none' },
    'binary-missing',
    'binary',
    /binary .*bin\/none does not exist: put the executable there/
  ],
  [
    'a contract that is elsewhere',
    { binary: '/nowhere/sh' },
    'binary-missing',
    'binary',
    /\/nowhere\/sh does not exist: did you mean "\/.*\/sh"/
  ],
  ['a folder as contract', { binary: '/tmp' }, 'binary-missing', 'binary', /\/tmp is not a file/],
  [
    'a contract that cannot be executed',
    { binary: 'cfg/hp.cfg' },
    'binary-not-executable',
    'binary',
    /is not executable: `chmod \+x`/
  ],
  ['arguments of numbers', { binargs: [1] }, 'wrong-value', 'binargs', /binargs must be a text or an array/],
  [
    'a peer without a port',
    { peers: ['10.0.0.1'] },
    'wrong-value',
    'peers',
    /peers entry 1 must be an address such as .*; it is "10.0.0.1"/
  ],
  [
    'a peer with a wrong port',
    { peers: ['10.0.0.1:70000'] },
    'wrong-value',
    'peers',
    /peers entry 1 must be an address/
  ],
  [
    'a broken multiaddr',
    { peers: ['/ip4/10.0.0.1/tcp/x'] },
    'wrong-value',
    'peers',
    /peers entry 1 is not a multiaddr/
  ],
  [
    'an address that cannot be dialled',
    { peers: ['/ip4/10.0.0.1/udp/5/quic-v1'] },
    'wrong-value',
    'peers',
    /peers entry 1 must be \/ip4, .* with a port.*; it is "\/ip4\/10\.0\.0\.1\/udp\/5\/quic-v1"/
  ],
  ['peers as a text', { peers: '10.0.0.1:1' }, 'wrong-value', 'peers', /peers must be an array of addresses/],
  ['no UNL', { unl: undefined }, 'missing-key', 'unl', /unl is missing/],
  ['an empty UNL', { unl: [] }, 'unl', 'unl', /unl is empty: put in/],
  [
    'a broken key in the UNL',
    { unl: [keys.publicKey, 'zz'] },
    'unl',
    'unl',
    /unl entry 2 must be 64 hex digits; it is "zz"/
  ],
  [
    'a key with a prefix in the UNL',
    { unl: [`ed${keys.publicKey}`] },
    'unl',
    'unl',
    /unl entry 1 has the prefix "ed": leave it out/
  ],
  [
    'a key twice in the UNL',
    { unl: [keys.publicKey, keys.publicKey.toUpperCase()] },
    'unl',
    'unl',
    /unl has entry 1 again as entry 2: remove one/
  ],
  [
    'too long a UNL',
    { unl: Array(129).fill(keys.publicKey) },
    'unl',
    'unl',
    /unl must have at most 128 entries; it has 129/
  ],
  ['a host name to bind', { ip: 'localhost' }, 'wrong-value', 'ip', /ip must be an IP address .*; it is "localhost"/],
  [
    'a port out of range',
    { peerport: '65536' },
    'wrong-value',
    'peerport',
    /peerport must be a port from 1 to 65535, or 0 for off; it is "65536"/
  ],
  [
    'one port for two',
    { pubport: 22860 },
    'wrong-value',
    'pubport',
    /pubport and peerport are both 22860: give each its own/
  ],
  [
    'a negative number',
    { roundtime: -1 },
    'wrong-value',
    'roundtime',
    /roundtime must be a number of milliseconds from 1 to 3600000; it is -1/
  ],
  [
    'a broken number',
    { pubmaxsize: '64k' },
    'wrong-value',
    'pubmaxsize',
    /pubmaxsize must be a number of bytes from 1 to \d+; it is "64k"/
  ],
  [
    'a number with a fraction',
    { pubmaxcpm: 1.5 },
    'wrong-value',
    'pubmaxcpm',
    /pubmaxcpm must be a number of messages/
  ],
  [
    'a threshold that is not safe',
    { threshold: 66 },
    'wrong-value',
    'threshold',
    /threshold must be a percentage from 67 to 100; it is 66/
  ],
  [
    'times that contradict',
    { minroundtime: 2000 },
    'wrong-value',
    'minroundtime',
    /minroundtime \(2000\) is above roundtime \(1000\): lower it/
  ],
  [
    'inputs that fit in no ledger',
    { ledgerbytes: 65535 },
    'wrong-value',
    'pubmaxsize',
    /pubmaxsize .* is above ledgerbytes/
  ],
  [
    'outputs that contradict',
    { outputbytes: 1024 },
    'wrong-value',
    'useroutputbytes',
    /useroutputbytes .* is above outputbytes/
  ],
  [
    'too short a history',
    { history: 3 },
    'wrong-value',
    'history',
    /history must be "full" or a number of ledgers, 16 or more; it is 3/
  ],
  [
    'an unknown log level',
    { loglevel: 'loud' },
    'wrong-value',
    'loglevel',
    /loglevel must be one of trace, .*; it is "loud"/
  ],
  [
    'a certificate without its key',
    { pubcert: 'x.pem' },
    'missing-key',
    'pubkeyfile',
    /pubkeyfile is missing: wss needs pubcert and pubkeyfile/
  ],
  [
    'a certificate that is not there',
    { pubcert: 'x.pem', pubkeyfile: 'cfg/hp.cfg' },
    'wrong-value',
    'pubcert',
    /pubcert .*x\.pem cannot be read \(ENOENT\)/
  ],
  [
    'a certificate that is none',
    { pubcert: 'cfg/hp.cfg', pubkeyfile: 'cfg/hp.cfg' },
    'wrong-value',
    'pubcert',
    /pubcert .*hp\.cfg holds no certificate \(.*\): it must be a PEM file/
  ],
  [
    'a contract id with a line break',
    { contractid: 'a\nb' },
    'wrong-value',
    'contractid',
    /contractid must be a text of 1 to 256 bytes/
  ],
  [
    'half a character as contract id',
    { contractid: '\ud800' },
    'wrong-value',
    'contractid',
    /contractid must be a text/
  ]
]

describe('a mistake in hp.cfg is one line that names the key and the remedy', () => {
  it.each(mistakes)('%s', async (_name, change, code, key, words) => {
    const error = await failureOf(loadWith(change))
    expect({ code: error.code, key: error.key }).toEqual({ code, key })
    expect(error.message).toMatch(words)
    expect(error.problems).toHaveLength(1)
    expect(error.message).not.toContain('\n')
    expect(error.message).not.toContain(secret)
  })

  it('tells several mistakes at once', async () => {
    const error = await failureOf(loadWith({ roundtime: 'x', threshold: 1, nonsense: 1, pubports: 2 }))
    expect(error.problems.map((problem) => problem.key).sort()).toEqual([
      'nonsense',
      'pubports',
      'roundtime',
      'threshold'
    ])
    expect(error.message.split('\n')).toHaveLength(4)
  })

  it.each([
    ['', /line 1, column 1: the text ends too early/],
    ['{\n "a": 1,\n}', /line 3, column 1: there is a comma too many/],
    ['{\n  "a": 1\n  "b": 2\n}', /line 3, column 3: a comma or } is missing/],
    ['{"a": tru}', /line 1, column 7: a value is expected, not "t"/],
    ['{a: 1}', /line 1, column 2: a key in double quotes is expected/],
    ['{"a" 1}', /line 1, column 6: a colon is missing/],
    ['{"a": "b\n"}', /line 1, column 9: a string holds a line break/],
    ['{"a": "\\x"}', /line 1, column 7: the string holds a bad escape/],
    ['{"a": "b', /line 1, column 7: the string is not closed/],
    ['{} {}', /line 1, column 4: there is something after the end/],
    ['[1]', /must hold one JSON object/],
    ['['.repeat(100_000), /it nests too deeply/]
  ])('says where %j is not JSON', async (text, words) => {
    await writeText(text)
    const error = await failureOf(loadConfig(dir))
    expect(error.code).toBe('not-json')
    expect(error.message).toMatch(words)
  })

  it('refuses a key that is there twice', async () => {
    await writeText('{"unl": [],\n "unl": []}')
    const error = await failureOf(loadConfig(dir))
    expect([error.code, error.key]).toEqual(['duplicate-key', 'unl'])
    expect(error.message).toMatch(/"unl" is there twice: keep one of them \(line 2, column 2\)/)
  })

  it('refuses a file that is far too long', async () => {
    await writeText(`{"a": "${'x'.repeat(1024 * 1024)}"}`)
    expect((await failureOf(loadConfig(dir))).code).toBe('file-too-large')
  })
})

describe('a broken directory', () => {
  it('is not there', async () => {
    const error = await failureOf(loadConfig(join(dir, 'none')))
    expect(error.code).toBe('dir-missing')
    expect(error.message).toMatch(/none does not exist: `hp-p2p new` makes one/)
  })

  it('is a file', async () => {
    await writeFile(join(dir, 'file'), '')
    expect((await failureOf(loadConfig(join(dir, 'file')))).code).toBe('dir-broken')
  })

  it('has no hp.cfg', async () => {
    const error = await failureOf(loadConfig(dir))
    expect(error.code).toBe('file-missing')
    expect(error.message).toMatch(/hp\.cfg does not exist/)
  })

  it('has a file in place of a folder', async () => {
    await writeText(JSON.stringify(prototype))
    await writeFile(join(dir, 'hist'), '')
    const error = await failureOf(loadConfig(dir))
    expect(error.code).toBe('dir-broken')
    expect(error.message).toMatch(/hist must be a directory/)
  })

  it('has a folder in place of hp.cfg', async () => {
    await mkdir(join(dir, 'cfg', 'hp.cfg'))
    expect(['dir-broken', 'file-unreadable']).toContain((await failureOf(loadConfig(dir))).code)
  })
})

describe('ports', () => {
  it('names the key whose port is taken', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = server.address() as { port: number }
      const config = await loadWith({ ip: '127.0.0.1', pubport: port, peerport: 0 })
      const error = await failureOf(checkPorts(config))
      expect([error.code, error.key]).toEqual(['port-taken', 'pubport'])
      expect(error.message).toMatch(new RegExp(`pubport: port ${port} on 127.0.0.1 is taken`))
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
    await checkPorts(await loadWith({ ip: '127.0.0.1', pubport: 0, peerport: 0 }))
  })

  it('names ip when it is not an address of this machine', async () => {
    const error = await failureOf(checkPorts(await loadWith({ ip: '192.0.2.1' })))
    expect([error.code, error.key]).toEqual(['port-denied', 'ip'])
    expect(error.problems).toHaveLength(1)
  })
})

describe('addresses of the prototype', () => {
  it.each([
    ['1.2.3.4:5', '/ip4/1.2.3.4/tcp/5/ws'],
    ['a-b.example:65535', '/dns4/a-b.example/tcp/65535/ws'],
    ['[::1]:1', '/ip6/::1/tcp/1/ws'],
    ['::1:1', null],
    ['[1.2.3.4]:1', null],
    ['a b:1', null],
    ['a/b:1', null],
    [':1', null],
    ['a:0', null],
    ['a:', null]
  ])('%s', (text, address) => {
    expect(peerToMultiaddr(text)).toBe(address)
  })
})
