"""Every rule, in one table. To add one: write it in its family's file, and name the file here."""

from __future__ import annotations

from lamina.lint.rule import Rule
from lamina.lint.rules import (
    apk,
    apt,
    base,
    casing,
    cleaning,
    commands,
    comments,
    context,
    copying,
    labels,
    languages,
    maintainer,
    order,
    platform,
    ports,
    rpm,
    scripts,
    secrets,
    stages,
    triggers,
    users,
    variables,
    workdir,
)

RULES: tuple[Rule, ...] = (
    *casing.RULES,
    *comments.RULES,
    *stages.RULES,
    *base.RULES,
    *platform.RULES,
    *variables.RULES,
    *secrets.RULES,
    *commands.RULES,
    *workdir.RULES,
    *copying.RULES,
    *ports.RULES,
    *users.RULES,
    *labels.RULES,
    *maintainer.RULES,
    *triggers.RULES,
    *scripts.RULES,
    *apt.RULES,
    *apk.RULES,
    *rpm.RULES,
    *languages.RULES,
    *order.RULES,
    *cleaning.RULES,
    *context.RULES,
)
BY_CODE: dict[str, Rule] = {rule.code: rule for rule in RULES}
