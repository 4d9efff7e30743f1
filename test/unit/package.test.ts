import { access, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = new URL('../../', import.meta.url)

interface Manifest {
  name: string
  version: string
  bin: Record<string, string>
  exports: Record<string, object>
}

async function readManifest(): Promise<Manifest> {
  return JSON.parse(await readFile(new URL('package.json', ROOT), 'utf8')) as Manifest
}

/** Every path in a value of `exports`, however deep its conditions go. */
function pathsOf(value: object): string[] {
  return Object.values(value).flatMap((part: unknown) => (typeof part === 'string' ? [part] : pathsOf(part as object)))
}

describe('the package', () => {
  it('has every file that package.json names', async () => {
    const { bin, exports } = await readManifest()
    for (const path of [...Object.values(bin), ...pathsOf(exports)]) {
      await expect(access(fileURLToPath(new URL(path, ROOT))), path).resolves.toBeUndefined()
    }
  })

  it('is a library under its own name', async () => {
    const { name, version } = await readManifest()
    const library = (await import(name)) as Record<string, unknown>
    expect(library.VERSION).toBe(version)
    for (const entry of ['startNode', 'loadConfig', 'createContractDir', 'adminRequest', 'openOfflineLedgers']) {
      expect(library[entry], entry).toBeTypeOf('function')
    }
    const client = (await import(`${name}/client`)) as Record<string, { connect?: unknown }>
    expect(client.HotPocketClient?.connect).toBeTypeOf('function')
  })

  it('has a lock file with every package that another platform takes', async () => {
    const lock = JSON.parse(await readFile(new URL('package-lock.json', ROOT), 'utf8')) as {
      packages: Record<string, { version: string; optionalDependencies?: Record<string, string> }>
    }
    for (const [path, { optionalDependencies = {} }] of Object.entries(lock.packages)) {
      for (const name of Object.keys(optionalDependencies)) {
        const found = [`${path}/node_modules/${name}`, `node_modules/${name}`].some((each) => each in lock.packages)
        expect(found, `${name}, wanted by ${path}`).toBe(true)
      }
    }
  })
})
