# The addon without CMake: `npm run build:gyp`, which passes where libtorch is. The settings are those of CMakeLists.txt
# and cmake/, where the reasons stand. Not at the root, where npm would build it at every install.
{
  'variables': {
    'libtorch_openmp%': '',
  },
  'target_defaults': {
    'cflags!': ['-fno-exceptions'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20', '-std=c++17'],
    'cflags_cc': [
      '-std=c++20', '-O3', '-ffp-contract=off', '-fvisibility=hidden', '-fvisibility-inlines-hidden',
      '-Wall', '-Wextra', '-Wpedantic',
      # As system folders: no warnings from other people's headers.
      '-isystem', '<(libtorch_root)/include',
      '-isystem', '<(libtorch_root)/include/torch/csrc/api/include',
      '-isystem', '<(node_addon_api)',
    ],
    'xcode_settings': {
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'GCC_ENABLE_CPP_RTTI': 'YES',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
      'CLANG_CXX_LIBRARY': 'libc++',
      'MACOSX_DEPLOYMENT_TARGET': '12.0',
      'OTHER_CPLUSPLUSFLAGS': [
        '-ffp-contract=off',
        '-isystem', '<(libtorch_root)/include',
        '-isystem', '<(libtorch_root)/include/torch/csrc/api/include',
        '-isystem', '<(node_addon_api)',
      ],
      'OTHER_LDFLAGS': ['-Wl,-rpath,<(libtorch_lib_dir)'],
    },
    'conditions': [
      ['libtorch_openmp != "" and OS != "mac"', {
        'cflags_cc': ['-fopenmp'],
      }],
    ],
  },
  'targets': [
    {
      'target_name': 'hire_snn',
      'sources': ['<!@(node ../scripts/addon-sources.mjs)'],
      'include_dirs': ['.'],
      'defines': [
        'NAPI_VERSION=9',
        'NODE_ADDON_API_CPP_EXCEPTIONS',
        'NODE_ADDON_API_CPP_EXCEPTIONS_ALL',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
        'HIRE_SNN_ENGINE_FOLDER="<(module_root_dir)/engine"',
        'HIRE_SNN_LIBTORCH_ROOT="<(libtorch_root)"',
        'HIRE_SNN_LIBTORCH_LIB_DIR="<(libtorch_lib_dir)"',
        'HIRE_SNN_LIBTORCH_VERSION="<(libtorch_version)"',
      ],
      'conditions': [
        ['OS == "mac"', {
          'libraries': [
            '<(libtorch_lib_dir)/libtorch.dylib',
            '<(libtorch_lib_dir)/libtorch_cpu.dylib',
            '<(libtorch_lib_dir)/libc10.dylib',
          ],
        }, {
          'ldflags': [
            '-Wl,-z,nodelete', '-Wl,--disable-new-dtags', '-Wl,--no-as-needed',
            '-Wl,-rpath,<(libtorch_lib_dir)',
          ],
          'libraries': [
            '<(libtorch_lib_dir)/libtorch.so',
            '<(libtorch_lib_dir)/libtorch_cpu.so',
            '<(libtorch_lib_dir)/libc10.so',
          ],
        }],
        ['libtorch_openmp != "" and OS != "mac"', {
          'libraries': ['<(libtorch_openmp)'],
        }],
      ],
    },
  ],
}
