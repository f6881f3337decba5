"""The built-in advantage estimators, one file each; settings name one in `rl.advantages`."""
