import type { CheckState, DoctorCheck } from '../../admin/index.js'

export function check(name: string, state: CheckState, found: string, advice: string | null = null): DoctorCheck {
  return { name, state, found, advice }
}

/** 12 B, 3.4 kB, 5.6 GB. */
export function formatSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
