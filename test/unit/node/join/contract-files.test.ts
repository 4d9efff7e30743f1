import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as pb from '../../../../src/codec/pb/join.js'
import { createContractDir, loadConfig, type NodeConfig } from '../../../../src/config/index.js'
import { blake3Hex } from '../../../../src/crypto/index.js'
import {
  CONTRACT_BYTES_MAX,
  type ContractManifest,
  decodeManifest,
  encodeManifest,
  manifestHash,
  PIECE_BYTES,
  readManifest,
  readPiece
} from '../../../../src/node/join/contract-files.js'

const file = (path: string, bytes = 1) => ({ path, bytes, executable: false, hash: '01'.repeat(32) })
const manifest = (...files: ReturnType<typeof file>[]): ContractManifest => ({ binary: 'bin/x', args: ['a b'], files })

describe('the manifest of a contract', () => {
  test('comes back as it was, and another one has another hash', () => {
    const one = manifest(file('bin/a'), file('bin/b/c'))
    expect(decodeManifest(encodeManifest(one))).toEqual(one)
    expect(manifestHash(one)).not.toBe(manifestHash({ ...one, args: ['a', 'b'] }))
  })

  test.each([
    '../x',
    'bin',
    'bin/',
    'bin/../x',
    'bin/./x',
    'bin//x',
    '/bin/x',
    'cfg/hp.cfg',
    'bin/a\\..\\b',
    'bin/a\0b',
    `bin/${'x'.repeat(2000)}`
  ])('is refused with the path %j', (path) => {
    expect(() => decodeManifest(encodeManifest(manifest(file(path))))).toThrow('is no path in bin/')
  })

  test('is refused out of order, with a path twice, with too much of anything, and when it is garbage', () => {
    expect(() => decodeManifest(encodeManifest(manifest(file('bin/b'), file('bin/a'))))).toThrow()
    expect(() => decodeManifest(encodeManifest(manifest(file('bin/a'), file('bin/a'))))).toThrow()
    const half = CONTRACT_BYTES_MAX / 2 + 1
    expect(() => decodeManifest(encodeManifest(manifest(file('bin/a', half), file('bin/b', half))))).toThrow(
      'more than'
    )
    const many = Array.from({ length: 5000 }, (_, index) => file(`bin/${String(index).padStart(5, '0')}`))
    expect(() => decodeManifest(encodeManifest(manifest(...many)))).toThrow()
    expect(() => decodeManifest(Buffer.from('garbage'))).toThrow()
    const short = pb.ContractManifest.encode({
      binary: 'x',
      binargs: [],
      files: [{ path: 'bin/a', bytes: 1, executable: false, hash: new Uint8Array(31) }]
    })
    expect(() => decodeManifest(short)).toThrow('hash of bin/a')
  })
})

describe('the files of a contract', () => {
  let root: string
  let config: NodeConfig

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'hp-contract-files-'))
    const dir = join(root, 'node')
    await createContractDir(dir, { binary: 'bin/run' })
    config = await loadConfig(dir, { checkFiles: false })
    await writeFile(join(dir, 'bin', 'run'), 'program', { mode: 0o755 })
    await mkdir(join(dir, 'bin', 'lib'))
    await writeFile(join(dir, 'bin', 'lib', 'large'), Buffer.alloc(PIECE_BYTES + 5, 'x'))
    await writeFile(join(root, 'secret'), 'secret')
    await symlink(join(root, 'secret'), join(dir, 'bin', 'outside'))
    await symlink('run', join(dir, 'bin', 'inside'))
    await symlink('nowhere', join(dir, 'bin', 'dangling'))
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  test('are listed with what a link inside stands for, and without what lies outside', async () => {
    const { binary, files } = await readManifest(config)
    expect(binary).toBe('bin/run')
    expect(files.map(({ path, executable }) => [path, executable])).toEqual([
      ['bin/inside', true],
      ['bin/lib/large', false],
      ['bin/run', true]
    ])
    expect(files.find(({ path }) => path === 'bin/run')?.hash).toBe(blake3Hex(Buffer.from('program')))
  })

  test('are read in pieces, and nothing else is', async () => {
    expect((await readPiece(config, 'bin/lib/large', 0)).length).toBe(PIECE_BYTES)
    expect((await readPiece(config, 'bin/lib/large', PIECE_BYTES)).length).toBe(5)
    expect((await readPiece(config, 'bin/lib/large', PIECE_BYTES * 9)).length).toBe(0)
    for (const path of ['cfg/hp.cfg', 'bin/../cfg/hp.cfg', 'bin/outside', 'bin/dangling', 'bin/none', '']) {
      await expect(readPiece(config, path, 0), path).rejects.toThrow()
    }
  })
})
