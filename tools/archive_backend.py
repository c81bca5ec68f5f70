"""Stands in for the build tools of source archives while pip downloads them.

pip asks a build tool what an archive is called; the archive's PKG-INFO says so too.
"""

import email.parser
import pathlib
import shutil


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    about = email.parser.Parser().parsestr(pathlib.Path("PKG-INFO").read_text(encoding="utf-8"))
    folder = pathlib.Path(metadata_directory, f"{about['Name']}-{about['Version']}.dist-info")
    folder.mkdir()
    shutil.copy("PKG-INFO", folder / "METADATA")
    folder.joinpath("WHEEL").write_text("Wheel-Version: 1.0\n", encoding="utf-8")
    return folder.name
