"""The built-in policy losses; the setting `rl.loss` names one."""
