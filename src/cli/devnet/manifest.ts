import * as v from 'valibot'
import { parseConfigText } from '../../config/index.js'
import { CliError } from '../errors.js'

const texts = (max: number) => v.pipe(v.array(v.pipe(v.string(), v.maxLength(65_536))), v.maxLength(max))

/** contract.json of an example: what is needed to run it as a contract. */
const MANIFEST = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be lower-case letters, digits and hyphens')),
  description: v.pipe(v.string(), v.maxLength(1000)),
  binary: v.pipe(v.string(), v.minLength(1)),
  binargs: v.union([v.string(), texts(256)]),
  build: v.optional(v.pipe(texts(256), v.minLength(1))),
  fallback: v.optional(v.string()),
  state: v.optional(v.string()),
  sample: texts(1000)
})

export type Manifest = v.InferOutput<typeof MANIFEST>

/** The manifest in `text`; CliError with `path` and what is wrong. */
export function parseManifest(text: string, path: string): Manifest {
  let value: unknown
  try {
    value = parseConfigText(text)
  } catch (error) {
    throw new CliError(`${path}: ${(error as Error).message.replace(/hp\.cfg:? ?/, '')}`)
  }
  const result = v.safeParse(MANIFEST, value)
  if (result.success) return result.output
  const [issue] = result.issues
  throw new CliError(`${path}: ${v.getDotPath(issue) ?? 'the manifest'}: ${issue.message}`)
}
