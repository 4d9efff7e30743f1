import { expect, it } from 'vitest'
import { listNamespaces, ownPrefix } from '../../scripts/nat-lab/namespaces.js'
import { Probe } from '../../scripts/nat-lab/probe.js'
import { createInternet, describeLab, onCleanup } from './setup.js'

async function openProbe(namespace: string): Promise<Probe> {
  const probe = await Probe.open(namespace)
  onCleanup(() => probe.close())
  return probe
}

const SHORT_MS = 500

describeLab('the lab', () => {
  it('has homes behind a cone and behind a symmetric NAT, and public hosts', async () => {
    const internet = await createInternet()
    const [one, other] = [await internet.addHost('one'), await internet.addHost('other')]
    const cone = await internet.addHome('cone', 'cone')
    const symmetric = await internet.addHome('symmetric', 'symmetric')
    const probes = [one, other, cone, symmetric].map(({ namespace }) => openProbe(namespace))
    const [atOne, atOther, atCone, atSymmetric] = (await Promise.all(probes)) as [Probe, Probe, Probe, Probe]
    expect(await atOne.ask(other.address)).toMatchObject({ address: one.address, port: 3478 })

    // One outside port of a cone whoever is asked; nobody comes in who was not talked to.
    const seen = await atCone.ask(one.address)
    expect(seen).toMatchObject({ address: cone.publicAddress })
    expect(await atOther.ask(cone.publicAddress, seen?.port, SHORT_MS)).toBeNull()
    expect(await atOne.ask(cone.publicAddress, seen?.port)).not.toBeNull()
    expect(await atCone.ask(other.address)).toMatchObject({ address: cone.publicAddress, port: seen?.port })
    expect(await atOther.ask(cone.publicAddress, seen?.port)).not.toBeNull()

    // Another one for each who is asked.
    const first = await atSymmetric.ask(one.address)
    const second = await atSymmetric.ask(other.address)
    expect(first).toMatchObject({ address: symmetric.publicAddress })
    expect(second).toMatchObject({ address: symmetric.publicAddress })
    expect(second?.port).not.toBe(first?.port)
    expect(await atOther.ask(symmetric.publicAddress, first?.port, SHORT_MS)).toBeNull()
  })

  it('cuts hosts off and joins them again, and gives homes other addresses', async () => {
    const internet = await createInternet()
    const host = await internet.addHost('host')
    const home = await internet.addHome('home', 'cone')
    const [atHost, atHome] = await Promise.all([openProbe(host.namespace), openProbe(home.namespace)])
    expect(await atHome.ask(host.address)).toMatchObject({ address: '11.0.2.2' })
    await internet.partition(['host'], ['home'])
    expect(await atHome.ask(host.address, 3478, SHORT_MS)).toBeNull()
    expect(await atHost.ask(home.publicAddress, 3478, SHORT_MS)).toBeNull()
    await internet.heal()
    expect(await atHome.ask(host.address)).toMatchObject({ address: '11.0.2.2' })
    expect(await internet.changePublicAddress('home')).toBe('11.0.2.3')
    expect(await atHome.ask(host.address)).toMatchObject({ address: '11.0.2.3' })
    expect(await internet.changeLanAddress('home')).toBe('192.168.1.3')
    expect(await atHome.ask(host.address)).toMatchObject({ address: '11.0.2.3' })
  })

  it('delays what crosses the internet, each way, and leaves nothing behind', async () => {
    const internet = await createInternet()
    await internet.addHost('one')
    const other = await internet.addHost('other')
    const probe = await openProbe(internet.host('one').namespace)
    await openProbe(other.namespace)
    expect((await probe.ask(other.address))?.rttMs).toBeLessThan(50)
    await internet.setDelay(150)
    const { rttMs = 0 } = (await probe.ask(other.address)) ?? {}
    expect(rttMs).toBeGreaterThanOrEqual(299)
    expect(rttMs).toBeLessThan(400)
    await internet.setDelay(0)
    expect((await probe.ask(other.address))?.rttMs).toBeLessThan(50)
    await internet.destroy()
    expect(await listNamespaces(ownPrefix)).toEqual([])
  })
})
