import { CONFIG_KEY_GROUPS, CONFIG_KEYS, type ConfigKey } from '../../../src/config/index.js'

function showDefault(value: unknown): string {
  if (value === undefined) return 'must be there'
  if (value === null) return 'off'
  if (Array.isArray(value)) return '`[]`'
  return `\`${String(value)}\``
}

/** The row of a key in the tables of docs/configuration.md. */
export function describeKey(name: string): string {
  const spec = CONFIG_KEYS[name as ConfigKey]
  return `| \`${name}\` | ${showDefault(spec.fallback)} | ${spec.doc} |`
}

export function describeGroups(): string {
  return CONFIG_KEY_GROUPS.map(
    ({ title, names }) =>
      `## ${title}\n\n| key | default | meaning |\n|---|---|---|\n${names.map(describeKey).join('\n')}\n`
  ).join('\n')
}
