"""Settings of a run: `load_settings` reads a preset or a YAML file and checks it before anything is loaded."""

from visplay.config.loading import check_settings as check_settings
from visplay.config.loading import dump_settings as dump_settings
from visplay.config.loading import load_settings as load_settings
from visplay.config.loading import preset_names as preset_names
from visplay.config.loading import recipe_names as recipe_names
from visplay.config.settings import AcceptanceSettings as AcceptanceSettings
from visplay.config.settings import Averaging as Averaging
from visplay.config.settings import EvaluationSettings as EvaluationSettings
from visplay.config.settings import LoraSettings as LoraSettings
from visplay.config.settings import QuestionerSettings as QuestionerSettings
from visplay.config.settings import ReasonerSettings as ReasonerSettings
from visplay.config.settings import RLSettings as RLSettings
from visplay.config.settings import Settings as Settings
from visplay.config.settings import SilverSettings as SilverSettings
