import ts from 'typescript'

/** Every compiled class has a method of this name that shows its private fields, so that a run can see what a node holds. */
export const LOOK = '__look'

/** Adds the method; nothing else is changed. */
export const addLooks: ts.TransformerFactory<ts.SourceFile> = (context) => {
  const { factory } = context
  const visit = (node: ts.Node): ts.Node => {
    const visited = ts.visitEachChild(node, visit, context)
    if (!ts.isClassDeclaration(visited)) return visited
    const { modifiers, name, typeParameters, heritageClauses, members } = visited
    const all = [...members, lookOf(factory, visited)]
    return factory.updateClassDeclaration(visited, modifiers, name, typeParameters, heritageClauses, all)
  }
  return (file) => ts.visitNode(file, visit) as ts.SourceFile
}

function lookOf(factory: ts.NodeFactory, { members, heritageClauses }: ts.ClassDeclaration): ts.ClassElement {
  const fields = members.filter((member) => ts.isPropertyDeclaration(member) && ts.isPrivateIdentifier(member.name))
  const names = fields.filter((member) => !isStatic(member)).map(({ name }) => name as ts.PrivateIdentifier)
  const isDerived = heritageClauses?.some(({ token }) => token === ts.SyntaxKind.ExtendsKeyword) === true
  const above = factory.createCallChain(
    factory.createPropertyAccessExpression(factory.createSuper(), LOOK),
    factory.createToken(ts.SyntaxKind.QuestionDotToken),
    undefined,
    []
  )
  const shown = factory.createObjectLiteralExpression([
    ...(isDerived ? [factory.createSpreadAssignment(above)] : []),
    ...names.map((name) =>
      factory.createPropertyAssignment(
        factory.createStringLiteral(name.text),
        factory.createPropertyAccessExpression(factory.createThis(), name)
      )
    )
  ])
  const body = factory.createBlock([factory.createReturnStatement(shown)])
  return factory.createMethodDeclaration(undefined, undefined, LOOK, undefined, undefined, [], undefined, body)
}

function isStatic(member: ts.ClassElement): boolean {
  return (
    ts.canHaveModifiers(member) &&
    ts.getModifiers(member)?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword) === true
  )
}
