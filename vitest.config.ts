import { defineConfig } from 'vitest/config'

/** Run by `npm run test:long` alone: minutes of real networks each. */
const LONG = [
  'test/process/{absence,disk-full,growing,hostile-users,state-damage}.test.ts',
  'test/netns/{delay,nat}.test.ts'
]
const exclude = process.env.HP_LONG === undefined ? LONG : []

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/{unit,property,sim,fuzz}/**/*.test.ts'] } },
      {
        // Real nodes want the machine for themselves: one file after another, after the unit tests.
        test: {
          name: 'process',
          include: ['test/process/**/*.test.ts'],
          exclude,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 180_000,
          hookTimeout: 90_000
        }
      },
      {
        // Real nodes in network namespaces; skipped with a word where they cannot be made.
        test: {
          name: 'netns',
          include: ['test/netns/**/*.test.ts'],
          exclude,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
          testTimeout: 240_000,
          hookTimeout: 90_000
        }
      }
    ]
  }
})
