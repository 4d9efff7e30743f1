import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import {
  CONFIG_KEY_GROUPS,
  CONFIG_KEY_NAMES,
  createConfigSchema,
  loadConfig,
  rekeyContractDir
} from '../../../src/config/index.js'
import { describeGroups } from './describe-keys.js'

const CFG = fileURLToPath(new URL('../../../cfg', import.meta.url))
const DOCS = fileURLToPath(new URL('../../../docs', import.meta.url))
const dirs: string[] = []

afterEach(async () => {
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true })
})

describe('documents in step with the code', () => {
  it('has every key in one group', () => {
    expect(CONFIG_KEY_GROUPS.flatMap((group) => group.names).sort()).toEqual([...CONFIG_KEY_NAMES].sort())
  })

  it('has the schema of the code in cfg/', async () => {
    const stored: unknown = JSON.parse(await readFile(join(CFG, 'hp.cfg.schema.json'), 'utf8'))
    expect(stored).toEqual(JSON.parse(JSON.stringify(createConfigSchema())))
  })

  it('has the tables of the code in docs/configuration.md', async () => {
    expect(await readFile(join(DOCS, 'configuration.md'), 'utf8')).toContain(describeGroups())
  })

  it('loads every sample of cfg/ once it has keys', async () => {
    const samples = (await readdir(CFG)).filter((name) => name.endsWith('.cfg'))
    expect(samples.length).toBeGreaterThanOrEqual(3)
    for (const sample of samples) {
      const dir = await mkdtemp(join(tmpdir(), 'hp-sample-'))
      dirs.push(dir)
      await mkdir(join(dir, 'cfg'))
      await copyFile(join(CFG, sample), join(dir, 'cfg', 'hp.cfg'))
      const { publicKey } = await rekeyContractDir(dir)
      const config = await loadConfig(dir, { checkFiles: false })
      expect(config.consensus.unl, sample).toEqual([publicKey])
    }
  })
})
