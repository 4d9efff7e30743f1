import { CONFIG_KEY_NAMES, CONFIG_KEYS, type ConfigKey } from './keys.js'
import type { JsonFragment, KeySpec } from './specs.js'

/** The JSON schema (draft 2020-12) of hp.cfg, as it lies in cfg/hp.cfg.schema.json. */
export function createConfigSchema(): JsonFragment {
  const properties: JsonFragment = { $schema: { type: 'string', description: 'Where an editor finds this schema.' } }
  const required: ConfigKey[] = []
  for (const name of CONFIG_KEY_NAMES) {
    const spec = CONFIG_KEYS[name] as KeySpec<unknown>
    const fallback = spec.fallback === undefined ? {} : { default: spec.fallback }
    properties[name] = { description: spec.doc, ...spec.json, ...fallback }
    if (spec.fallback === undefined) required.push(name)
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'hp.cfg',
    description: 'Configuration of one node; lies at cfg/hp.cfg in its contract directory.',
    type: 'object',
    additionalProperties: false,
    required,
    properties
  }
}
