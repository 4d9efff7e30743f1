import { type ParseArgsConfig, parseArgs } from 'node:util'

/** As parseArgs of node:util; --help prints `usage` and ends with 0, wrong options say what is wrong and end with 2. */
export function parseOptions<T extends ParseArgsConfig>(usage: string, config: T): ReturnType<typeof parseArgs<T>> {
  const args = config.args ?? process.argv.slice(2)
  if (args.includes('--help') || args.includes('-h')) {
    console.log(usage)
    process.exit(0)
  }
  try {
    return parseArgs<T>(config)
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`)
    process.exit(2)
  }
}
