"""The built-in advantage estimators; the setting `rl.advantages` names one."""
